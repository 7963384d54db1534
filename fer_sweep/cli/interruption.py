"""Ctrl-C and SIGTERM while a study runs: the first ends it between two events, a second at once."""

import os
import signal
import time
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)
TOGETHER_SECONDS = 1.0
"""Signals that come within this time are one: a key that bounces, or one Ctrl-C that arrives in two ways."""
WRITES = "as soon as no database is in the middle of a write"


class Cancelled(KeyboardInterrupt):
    """Ctrl-C from elsewhere: fer-sweep cancel."""


class Interruption:
    """Holds the first signal back until `check` is called: raised inside a database's transaction, it would leave the
    connection half way. A second one is raised wherever it comes, unless it comes together with the first. `when` is
    what it waits for, in words."""

    def __init__(self, when: str = WRITES) -> None:
        self._stopping = f"\nstopping {when}; once more ends it at once\n".encode()

    def __enter__(self) -> Self:
        self._requested: float | None = None
        self._before: dict[signal.Signals, Any] = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._requested is not None and kind is not None and issubclass(kind, KeyboardInterrupt):
            return  # what is left to do is to leave, which the rest of the same Ctrl-C must not disturb
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal has come."""
        if self._requested is not None:
            raise KeyboardInterrupt

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._requested is None:
            self._requested = now
            os.write(2, self._stopping)  # not through rich, which may be in the middle of a line
        elif now - self._requested >= TOGETHER_SECONDS:
            raise KeyboardInterrupt
