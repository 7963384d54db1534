"""Ctrl-C and SIGTERM while a study runs: the first ends it between two events, a second at once."""

import os
import signal
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STOPPING = b"\nstopping as soon as no database is in the middle of a write; once more ends it at once\n"


class Interruption:
    """Holds the first signal back until `check` is called: raised inside a database's transaction, it would leave the
    connection half way. A second one is raised wherever it comes."""

    def __enter__(self) -> Self:
        self._requested = False
        self._before: dict[signal.Signals, Any] = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal has come."""
        if self._requested:
            raise KeyboardInterrupt

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True
        os.write(2, _STOPPING)  # not through rich, which may be in the middle of a line
