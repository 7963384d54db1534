"""How an outbox is: what it has, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass

from fer_sweep.study.home import Home
from fer_sweep.tracking.outbox import Entry, read_outbox


@dataclass(frozen=True)
class OutboxState:
    """What can be read of an outbox: its whole entries, how many lines are damaged, and how many bytes are torn off at
    its end. exists: whether there is one."""

    entries: tuple[Entry, ...]
    damaged: int
    torn: int
    exists: bool

    @property
    def is_whole(self) -> bool:
        return self.exists and not self.damaged and not self.torn

    @property
    def is_ended(self) -> bool:
        """Whether the last process that ran the study has said how it ended."""
        return bool(self.entries) and self.entries[-1].kind == "ended"

    @property
    def finished(self) -> set[tuple[str, int]]:
        """Stage and number of the trials whose end it has."""
        return {(e.body["stage"], e.body["number"]) for e in self.entries if e.kind == "finished"}

    @property
    def failed_confirmations(self) -> set[int]:
        """Number of the confirmations that failed, of which no result file remains."""
        ended = (e.body for e in self.entries if e.kind == "finished" and e.body["stage"] == "confirm")
        return {body["number"] for body in ended if body["row"]["state"] == "failed"}

    @property
    def provenance(self) -> Mapping[str, str]:
        """Of the process that ran the study last; empty if that is not known."""
        opened = [e.body["provenance"] for e in self.entries if e.kind == "opened"]
        return opened[-1] if opened else {}


def outbox_state(home: Home, name: str) -> OutboxState:
    """Look at an outbox. Changes nothing."""
    path = home.study(name).outbox
    lines = list(read_outbox(path))
    size = path.stat().st_size if path.exists() else 0
    entries = tuple(line.entry for line in lines if line.entry is not None)
    end = max((line.end for line in lines), default=0)
    return OutboxState(entries, len(lines) - len(entries), size - end, path.exists())
