"""The writer as the coordinator sees it: started, listened to, told to end. Light: loads no MLflow."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home
from fer_sweep.tracking.address import Store

READY_SECONDS = 180.0
"""Time for a store to answer at first, and for an earlier writer to leave."""
MOST_RESTARTS = 3

Message = dict[str, Any]
"""What the writer says: its `state` (reachable, ready, written, failing, refused, damaged, failed) and details."""


class WriterProcess:
    """A writer for one study at a time. As a context it is never left behind: an exception ends it at once.

    known: whether the store has answered about this study before. Then it may be away at first."""

    def __init__(self, store: Store, home: Home, *, known: bool = False) -> None:
        self._store, self._home, self._known = store, home, known
        self._heard: list[Message] = []
        self._study: str | None = None
        self._restarts = 0
        self._start()

    def _start(self, log: Path | None = None) -> None:
        self._text = b""
        with (log or Path(os.devnull)).open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fer_sweep.tracking.writer"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                # Ctrl-C in the terminal is for the coordinator alone. A session of its own would keep it away, too, but
                # Linux shares its time among sessions first (sched(7), autogroup), whatever the writer's niceness.
                process_group=0,
            )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        artifacts = None if self._store.artifacts is None else str(self._store.artifacts.absolute())
        self._tell({"uri": self._store.uri, "artifacts": artifacts, "known": self._known})

    def follow(self, study: str) -> None:
        """Name the study, whose facts are on disk, and wait until the store has answered, or is known to be away.

        Raises TrackingError if it does not answer, or if the writer fails.
        """
        self._study = study
        self._tell({"home": str(self._home.root.absolute()), "study": study})
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self._heard = list(self._messages(timeout=1.0))
            states = [message["state"] for message in self._heard]
            if "failed" in states:
                raise TrackingError(self._heard[states.index("failed")]["why"])
            if "ready" in states or "failing" in states:  # a writer that does not know the store fails instead
                self._known = True
                return
            if self._process.poll() is not None:
                raise TrackingError(
                    f"the process that writes to MLflow ended with exit code {self._process.returncode} before it was "
                    "ready. Run with --offline and send everything later with fer-sweep sync."
                )
        raise TrackingError(
            f"the MLflow store {self._store.name} has not answered within {READY_SECONDS:.0f} s. Start it anew, or run "
            "with --offline and send everything later with fer-sweep sync."
        )

    def poll(self) -> list[Message]:
        """What the writer has said since. One that died is started again, a few times."""
        messages = list(self._messages(timeout=0.0))
        if self._process.poll() is not None:
            messages += self._replace()
        return messages

    def _replace(self) -> Iterator[Message]:
        assert self._study is not None
        if self._restarts == MOST_RESTARTS:
            return
        self._restarts += 1
        why = f"the process that writes to MLflow ended with exit code {self._process.returncode}; a new one goes on."
        self._close()
        self._start(self._home.study(self._study).writer_log)
        self._tell({"home": str(self._home.root.absolute()), "study": self._study})
        yield {"state": "restarted", "why": why}

    def finish(self) -> Iterator[Message]:
        """Say that the outbox is complete, and yield what the writer says until it has ended. The last message has the
        state `done`, or `failed` with the reason why something is left."""
        while True:
            self._tell({"end": True})
            failed = False
            for message in self._until_ended():
                failed |= message["state"] == "failed"
                yield message
            if failed:
                return
            if self._process.returncode == 0:
                yield {"state": "done"}
                return
            restarted = list(self._replace())
            yield from restarted
            if not restarted:
                code = self._process.returncode
                yield {"state": "failed", "why": f"the process that writes to MLflow ended with exit code {code}."}
                return

    def _until_ended(self) -> Iterator[Message]:
        while self._process.poll() is None:
            yield from self._messages(timeout=0.2)
        yield from self._messages(timeout=0.0)

    def _messages(self, *, timeout: float) -> Iterator[Message]:
        assert self._process.stdout is not None
        heard, self._heard = self._heard, []
        yield from heard
        if select.select([self._process.stdout], [], [], timeout)[0]:
            with suppress(BlockingIOError):
                while text := os.read(self._process.stdout.fileno(), 65536):
                    self._text += text
        *lines, self._text = self._text.split(b"\n")
        for line in lines:
            message: Message = json.loads(line)
            yield message

    def _tell(self, content: Message) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, and what it said last tells why
            self._process.stdin.write(json.dumps(content).encode() + b"\n")
            self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()  # whatever it was writing, the next one writes again
        self._process.wait()
        self._close()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
