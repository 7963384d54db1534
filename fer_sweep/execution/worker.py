"""A worker of the pool: a process that runs the trials it is sent and says what comes out. Light until it begins, so
that the GPU it sees is chosen before torch looks for one.
"""

import os
import signal
import sys
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fer_sweep.data import Samples, Split

if TYPE_CHECKING:
    from fer_sweep.training.records import Record
    from fer_sweep.training.trials import TrialRequest


@dataclass(frozen=True)
class Place:
    """Where a worker runs. environment: what is set before torch is loaded; threads: with how many torch computes;
    cores: to which it keeps, None: all."""

    device: Literal["cpu", "cuda"]
    environment: Mapping[str, str]
    threads: int
    cores: frozenset[int] | None


@dataclass(frozen=True)
class Order:
    """Trials to run together. folder: of their checkpoints, and of the file that takes what they print."""

    requests: tuple["TrialRequest", ...]
    split: Split
    folder: Path

    @property
    def log(self) -> Path:
        """Named after the first of the trials."""
        return self.folder / f"{self.requests[0].number:05d}.log"


@dataclass(frozen=True)
class Answer:
    """What becomes of a trial that has reported: it goes on, or ends here for a reason."""

    stop: str | None


@dataclass(frozen=True)
class Cancel:
    """In place of an answer: leave everything, but write the checkpoints."""


@dataclass(frozen=True)
class Ready:
    """The samples have arrived; their fingerprint, as the worker computes it."""

    fingerprint: str


@dataclass(frozen=True)
class Done:
    """All trials of the order have ended, or were left."""


def work(connection: Connection, place: Place) -> None:
    """Receive the samples, then orders, until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the coordinator, which says when to leave
    os.environ.update(place.environment, OMP_NUM_THREADS=str(place.threads))
    if place.cores is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, place.cores)
    from fer_sweep.execution.inline import run_guarded  # here: it loads torch, which looks for GPUs
    from fer_sweep.training.threads import compute_with
    from fer_sweep.training.trials import choose_device

    # A script that imports torch has loaded it by now, with a thread per core of the machine: on fewer cores they wait
    # for each other, and a convolution takes 15 times as long.
    compute_with(place.threads)
    device = choose_device(place.device)
    try:
        samples: Samples = connection.recv()
        connection.send(Ready(samples.fingerprint))
        while True:
            order: Order | Cancel = connection.recv()
            if isinstance(order, Order):
                _redirect_output(order.log)
                with closing(
                    run_guarded(order.requests, samples, order.split, device=device, folder=order.folder)
                ) as records:
                    _converse(records, connection)
                connection.send(Done())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the coordinator is gone, and nobody waits for an answer


def _converse(records: "Generator[Record, str | None, None]", connection: Connection) -> None:
    """Say what training says, and wait for the answer to every report."""
    from fer_sweep.training.records import EpochReport

    stop: str | None = None
    while True:
        try:
            record = records.send(stop)
        except StopIteration:
            return
        connection.send(record)
        stop = None
        if isinstance(record, EpochReport):
            answer: Answer | Cancel = connection.recv()
            if isinstance(answer, Cancel):
                return
            stop = answer.stop


def _redirect_output(log: Path) -> None:
    """Let standard output and error go to a file, also those of C code; nowhere if the disk takes no file."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
    except OSError:
        log = Path(os.devnull)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
