"""What the terminal says of the way to MLflow: that it is blocked, that it is free again, what is left at the end."""

import time
from bisect import bisect_right
from collections.abc import Sequence

from rich.console import Console

from fer_sweep.cli.console import err, warn
from fer_sweep.data.counts import counted
from fer_sweep.study.home import Home
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.outbox import read_outbox
from fer_sweep.tracking.writer_process import Message, WriterProcess

SILENT_SECONDS = 2.0
"""How long the end of a study may take without a word."""


class TrackingWatch:
    """Listens to the writer of a study and tells the terminal what a person should know. writer: None when offline."""

    def __init__(self, writer: WriterProcess | None, study: str, home: Home, store: Store) -> None:
        self._writer, self._study, self._home, self._store = writer, study, home, store
        self._failing = self._named = False
        self._refused: set[str] = set()
        self._sent = 0

    def begin(self) -> None:
        """Wait until the store has answered. Raises TrackingError if it does not, and never did: better before training
        than after."""
        if self._writer is not None:
            self._writer.follow(self._study)

    def look(self) -> None:
        """Say what is new."""
        if self._writer is not None:
            for message in self._writer.poll():
                self._tell(message)

    def finish(self) -> str | None:
        """Wait until everything is in the store, or until it has not answered for a while. Returns what to do about
        what is left, None if nothing is. Ctrl-C ends the waiting."""
        if self._writer is None:
            return None
        why, left = "", 0
        ends = [line.end for line in read_outbox(self._home.study(self._study).outbox, self._sent)]
        begun, silent = time.monotonic(), not err.is_terminal  # where no status is seen, a line says why it takes long
        with err.status("writing to MLflow") as status:
            for message in self._writer.finish():
                self._tell(message)
                if message["state"] == "failed":
                    why, left = message["why"], message.get("left", self._left(ends))
                waiting = self._left(ends)
                going = f"writing to MLflow: {waiting} to go; Ctrl-C leaves them to fer-sweep sync"
                status.update(going)
                if silent and waiting and time.monotonic() - begun > SILENT_SECONDS:
                    silent = False
                    err.print(going, soft_wrap=True)
        self._writer = None
        if not why:
            return None
        return (
            f"{counted(left, 'entry')} of study {self._study} could not be written to MLflow: {why} "
            f"Nothing is lost: fer-sweep sync {self._study}{self._store.options(self._home)} sends them."
        )

    def _left(self, ends: Sequence[int]) -> int:
        """How many entries are still to be sent; ends: where each ends in the outbox, ascending."""
        return len(ends) - bisect_right(ends, self._sent)

    def _tell(self, message: Message) -> None:
        match message["state"]:
            case "written":
                self._sent = message["end"]
                if self._failing:
                    self._failing = False
                    err.print("MLflow answers again; what has been waiting is being sent.", soft_wrap=True)
            case "failing" if not self._failing:
                self._failing = True
                warn(f"{message['why']} The study goes on without it.")
            case "ready" if message["namesakes"] and not self._named:
                self._named = True
                warn(namesake(self._study, self._store))
            case "refused" if message["what"] not in self._refused:
                self._refused.add(message["what"])
                warn(f"MLflow does not take {message['what']}: {message['why']} The rest goes ahead of it.")
            case "restarted":
                warn(message["why"])


def namesake(study: str, store: Store) -> str:
    """That another study in the store has the name of this one."""
    return (
        f"another study called {study} is in {store.name}, from another home or with other data. This one gets runs of "
        "its own beside it. To tell them apart, give it another name (--set name=...)."
    )


def say_damage(console: Console, *, dropped: int, damaged: int) -> None:
    """Tell what a crash has done to the outbox: bytes of a torn end, and entries that are damaged."""
    if dropped:
        console.print(
            f"warning: the outbox ended in the middle of an entry (a crash, or a full disk): its last "
            f"{dropped} bytes are dropped. A finished trial that they were about is noted anew.",
            style="yellow",
            soft_wrap=True,
        )
    if damaged:
        console.print(
            f"warning: {counted(damaged, 'damaged entry')} in the outbox must be passed over. "
            "Finished trials that they were about are noted anew.",
            style="yellow",
            soft_wrap=True,
        )
