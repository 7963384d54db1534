"""A slot of the pool: a place where a process runs, seen from the coordinator."""

import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import fer_sweep
from fer_sweep.data import Samples
from fer_sweep.errors import StudyError
from fer_sweep.execution.dispatch import Gone
from fer_sweep.execution.worker import Answer, Cancel, Done, Order, Place, Ready, work
from fer_sweep.training.records import Record

START_SECONDS = 120.0
"""Time for a worker to start and to receive the samples."""
MOST_FALSE_STARTS = 3
"""Workers in a row that may die while they start."""
_GONE = (EOFError, OSError)
"""What speaking to a worker raises that has died; a plain OSError if it died in the middle of a message."""


class Slot:
    """At most one worker at a time, started when it is first needed."""

    def __init__(self, place: Place, samples: Samples) -> None:
        self.place = place
        self._samples = samples
        self._worker: tuple[BaseProcess, Connection] | None = None

    @property
    def connection(self) -> Connection:
        """To wait on, while it has a worker."""
        assert self._worker is not None
        return self._worker[1]

    @property
    def ready(self) -> bool:
        """Always: where there is no worker, `order` starts one and waits for it."""
        return True

    def start(self) -> None:
        """Start a worker, which takes seconds; `greet` waits for it."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, self.place), daemon=True)
        with _only_this_package():
            process.start()
        theirs.close()
        self._worker = process, ours

    def greet(self) -> None:
        """Hand over the samples, once. Raises StudyError if the worker does not get them."""
        connection = self.connection
        said = f"it has said nothing for {START_SECONDS:.0f} seconds"
        try:
            connection.send(self._samples)
            if connection.poll(START_SECONDS):
                ready: Ready = connection.recv()
                if ready.fingerprint == self._samples.fingerprint:
                    return
                said = f"it has other samples ({ready.fingerprint} instead of {self._samples.fingerprint})"
        except _GONE:
            said = f"it ended with {self._exit()}"
        raise StudyError(
            f"a process that trials were to run in did not start as it should: {said}. Is there memory for another "
            "copy of the samples? Fewer --slots, or --executor inline, need less."
        )

    def order(self, order: Order) -> None:
        """Give the worker something to do; a new one if there is none. That it has died is seen when it is heard."""
        if self._worker is None or not self._worker[0].is_alive():
            self._replace()
        with suppress(*_GONE):
            self.connection.send(order)

    def _replace(self) -> None:
        """Start another worker. One that dies while it starts is replaced as well, a few times."""
        for more in reversed(range(MOST_FALSE_STARTS)):
            self.empty()
            self.start()
            try:
                self.greet()
            except StudyError:
                if not more or (self._worker is not None and self._worker[0].is_alive()):
                    raise
            else:
                return

    def hear(self) -> Record | Done:
        """What it says next: a record of a trial, or Done. Raises Gone if it has died."""
        try:
            said: Record | Done = self.connection.recv()
        except _GONE as error:
            raise Gone(f"its process ended with {self._exit()}") from error
        return said

    def answer(self, stop: str | None) -> None:
        """The answer to a report."""
        with suppress(*_GONE):
            self.connection.send(Answer(stop))

    def cancel(self) -> None:
        """Tell it to leave its trials."""
        with suppress(*_GONE):
            self.connection.send(Cancel())

    def has_left(self, deadline: float) -> bool:
        """Whether it has left its trials before the deadline (monotonic seconds); if not, it is killed."""
        with suppress(*_GONE):
            while self.connection.poll(max(0.0, deadline - time.monotonic())):
                if isinstance(self.connection.recv(), Done):
                    return True
        self.empty()
        return False

    def _exit(self) -> str:
        """How a worker that has died came to its end."""
        assert self._worker is not None
        process = self._worker[0]
        process.join(timeout=5.0)
        if process.exitcode == -signal.SIGKILL:
            return "SIGKILL (was there too little memory?)"
        return f"exit code {process.exitcode}"

    def empty(self) -> None:
        """Make room for another worker; one that is there ends at once."""
        if self._worker is not None:
            process, connection = self._worker
            connection.close()
            process.kill()
            process.join()
            process.close()
            self._worker = None


@contextmanager
def _only_this_package() -> Iterator[None]:
    """A new process gets our sys.path. A model of MLflow that was loaded here has put its own part of fer_sweep first,
    which lacks what a worker needs."""
    before, own = sys.path, Path(fer_sweep.__file__).resolve().parent
    packages = {place: (Path(place) / own.name).resolve() for place in before}
    sys.path = [place for place in before if packages[place] == own or not packages[place].is_dir()]
    try:
        yield
    finally:
        sys.path = before
