"""What an outbox lacks, made anew from the database of searches, the results on disk, and what is left of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from fer_sweep.study.database import opened_storage
from fer_sweep.study.events import TrialFinished
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.history import ending_of, trials_of
from fer_sweep.study.home import Home
from fer_sweep.study.importance import importance
from fer_sweep.study.journal import write_atomically
from fer_sweep.study.store import StudyStore, study_names
from fer_sweep.tracking.entries import Status, StudyEnded, StudyOpened, TrackedEvent, to_entry
from fer_sweep.tracking.outbox import Entry, Outbox, encode, read_outbox


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


def complete_outbox(facts: StudyFacts, home: Home) -> int:
    """Give a study's outbox what it lacks: trials, the beginning, the end. Returns how many entries were made.

    Nobody may be running the study or sending its outbox: the caller holds both locks. A whole outbox is only added to;
    another is replaced by one in the order of time, and kept beside it under another name.
    """
    files, state = home.study(facts.name), outbox_state(home, facts.name)
    made = _lacking(facts, home, state)
    if state.is_whole:
        with Outbox(files.outbox) as outbox:
            for entry in made:
                outbox.append(entry, durable=True)
        return len(made)
    if state.exists:
        files.outbox.replace(files.damaged_outbox)
    entries = sorted((*state.entries, *made), key=lambda entry: entry.at)  # keeps the order of equal times
    write_atomically(files.outbox, b"".join(encode(entry) for entry in entries))
    files.sent.unlink(missing_ok=True)  # its offsets mean nothing any more
    return len(made)


def _lacking(facts: StudyFacts, home: Home, state: OutboxState) -> list[Entry]:
    files, known = home.study(facts.name), state.finished
    if facts.name not in study_names(home):
        return []  # all that is left of it is what the outbox has
    with opened_storage(home) as storage:
        store = StudyStore(storage, facts.name)  # which has read everything
    begun = {(e.body["stage"], e.body["number"]) for e in state.entries if e.kind == "started"}
    events: list[tuple[int, TrackedEvent]] = []
    for happened in trials_of(facts, store, files):
        key = (happened.event.trial.stage, happened.event.trial.number)
        # where nothing is damaged, a trial that ended without having begun never did begin
        there = known if isinstance(happened.event, TrialFinished) else begun | (known if state.is_whole else set())
        if key not in there:
            events.append((happened.at, happened.event))
    times = [*(at for at, _ in events), *(entry.at for entry in state.entries)]
    if not any(entry.kind == "opened" for entry in state.entries):
        events.insert(0, (min(times, default=time.time_ns() // 1_000_000), StudyOpened({})))
    if events or not state.is_ended:
        ending = ending_of(facts, store, files, failed=state.failed_confirmations)
        status: Status = "FINISHED" if ending.complete else "KILLED"
        last = max((*times, *(at for at, _ in events)))
        shares = importance(store.trials(), facts.spec.metric.goal)
        events.append((last, StudyEnded(status, ending.summary, shares)))
    return [to_entry(event, at=at) for at, event in events]
