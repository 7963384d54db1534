"""The history of a study, told by its database and the results on disk: for a journal that lost it.

Nothing is trained, and neither features nor pictures are needed.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from fer_sweep.study.budget import Budget
from fer_sweep.study.caps import why_stop
from fer_sweep.study.confirm import confirmed_before
from fer_sweep.study.events import Confirmed, TrialFinished, TrialStarted
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.replay import finished
from fer_sweep.study.store import StudyStore, row_of
from fer_sweep.study.summary import Summary, summarize


@dataclass(frozen=True)
class Happened:
    """An event and its time, in ms since 1970."""

    at: int
    event: TrialStarted | TrialFinished


@dataclass(frozen=True)
class Ending:
    """How far a study came; `complete` if nothing of it is left to do."""

    summary: Summary
    complete: bool


def trials_of(facts: StudyFacts, store: StudyStore, files: StudyFiles) -> Iterator[Happened]:
    """Begin and end of every finished trial, search first, each by its number."""
    for frozen in store.trials():
        if row_of(frozen).state in ("complete", "pruned", "failed"):
            event = finished(frozen, facts.spec, facts.split.hash, files)
            assert frozen.datetime_start is not None
            assert frozen.datetime_complete is not None
            if event.reused_from is None:  # the others took a result without beginning
                yield Happened(round(1000 * frozen.datetime_start.timestamp()), TrialStarted(event.trial))
            yield Happened(round(1000 * frozen.datetime_complete.timestamp()), event)
    for event in _confirmation(facts, store, files)[0]:
        # its file was written when it ended
        end = files.result("confirm", event.trial.number).stat().st_mtime
        yield Happened(round(1000 * (end - event.row.seconds)), TrialStarted(event.trial))
        yield Happened(round(1000 * end), event)


def ending_of(facts: StudyFacts, store: StudyStore, files: StudyFiles, *, failed: Collection[int]) -> Ending:
    """What a study has found so far, and whether it is over. failed: numbers of confirmations that are known to have
    failed, of which no file remains."""
    rows = store.rows()
    reason = why_stop(facts.spec, store, store.orders.look(), Budget(facts.spec.budget, files.spent, gpus=0))
    _, confirmed, lacking = _confirmation(facts, store, files)
    summary = summarize(facts.name, facts.spec, facts.samples, facts.split, rows, confirmed=confirmed)
    running = any(row.state == "running" for row in rows)
    if reason is None or running or lacking - set(failed):
        return Ending(replace(summary, confirmed=()), complete=False)
    return Ending(replace(summary, reason=reason), complete=True)


def _confirmation(
    facts: StudyFacts, store: StudyStore, files: StudyFiles
) -> tuple[Sequence[TrialFinished], tuple[Confirmed, ...], set[int]]:
    rows = store.rows()
    if facts.spec.confirm is None or not any(row.state == "complete" for row in rows):
        return (), (), set()
    return confirmed_before(facts.spec, facts.samples, rows, files=files)
