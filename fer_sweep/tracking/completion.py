"""What an outbox lacks, made anew from the database of searches, the results on disk, and what is left of it."""

import time

from fer_sweep.study.database import opened_storage
from fer_sweep.study.events import TrialFinished
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.history import ending_of, trials_of
from fer_sweep.study.home import Home
from fer_sweep.study.importance import importance
from fer_sweep.study.journal import write_atomically
from fer_sweep.study.store import StudyStore
from fer_sweep.study.stored import study_names
from fer_sweep.tracking.entries import Status, StudyEnded, StudyOpened, TrackedEvent, to_entry
from fer_sweep.tracking.outbox import Entry, Outbox, encode
from fer_sweep.tracking.outbox_state import OutboxState, outbox_state


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
