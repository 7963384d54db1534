"""Events as entries of the outbox, and back. What is large (a trial's result) stays in its file in the study's home."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fer_sweep.errors import SpecError
from fer_sweep.spec import apply
from fer_sweep.study.events import Confirmed, EpochReported, Stage, Trial, TrialFinished, TrialStarted
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.journal import load_result
from fer_sweep.study.keys import config_key
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.statistics import Comparison
from fer_sweep.study.summary import Summary
from fer_sweep.tracking.outbox import Entry
from fer_sweep.training.metrics import Estimate
from fer_sweep.training.records import TrialFailure, report_from

Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class StudyOpened:
    """A process begins, or goes on with, a study; `provenance` says which code on which machine."""

    provenance: Mapping[str, str]


@dataclass(frozen=True)
class StudyEnded:
    """It stops: what was found so far, the importance of the parameters, and how it ended."""

    status: Status
    summary: Summary
    importances: Mapping[str, float]


TrackedEvent = StudyOpened | TrialStarted | EpochReported | TrialFinished | StudyEnded


def to_entry(event: TrackedEvent, *, at: int) -> Entry:
    """An event as an entry. at: ms since 1970."""
    match event:
        case StudyOpened(provenance=provenance):
            return Entry(at, "opened", {"provenance": dict(provenance)})
        case TrialStarted(trial=trial):
            return Entry(at, "started", _trial(trial))
        case EpochReported(trial=trial, report=report):
            return Entry(at, "reported", {**_trial(trial), "report": asdict(report)})
        case TrialFinished(trial=trial, row=row, failure=failure, reused_from=reused_from):
            body = {
                **_trial(trial),
                "row": asdict(row),
                "failure": None if failure is None else asdict(failure),
                "reused_from": reused_from,
            }
            return Entry(at, "finished", body)
        case StudyEnded(status=status, summary=summary, importances=importances):
            return Entry(at, "ended", {"status": status, "summary": _summary(summary), "importances": {**importances}})


def to_event(entry: Entry, facts: StudyFacts, files: StudyFiles) -> TrackedEvent:
    """The event that became this entry. A result whose file is gone or damaged is None."""
    body = entry.body
    match entry.kind:
        case "opened":
            return StudyOpened(body["provenance"])
        case "started":
            return TrialStarted(_trial_from(body, facts))
        case "reported":
            return EpochReported(_trial_from(body, facts), report_from(body["report"]))
        case "finished":
            trial, failure = _trial_from(body, facts), body["failure"]
            number = trial.number if body["reused_from"] is None else body["reused_from"]
            key = config_key(trial.config, trial.split_hash)
            result = None if failure is not None else load_result(files.result(trial.stage, number), key=key)
            return TrialFinished(
                trial,
                TrialRow(**body["row"]),
                result,
                TrialFailure(**failure) if failure else None,
                body["reused_from"],
            )
        case "ended":
            return StudyEnded(body["status"], _summary_from(body["summary"], facts), body["importances"])


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "stage": trial.stage,
        "number": trial.number,
        "assignments": dict(trial.assignments),
        "split": trial.split_hash,
    }


def _trial_from(body: Mapping[str, Any], facts: StudyFacts) -> Trial:
    stage: Stage = body["stage"]
    try:
        config = apply(facts.spec.base, body["assignments"])
    except SpecError:  # it failed for that
        config = facts.spec.base
    return Trial(stage, body["number"], config, body["assignments"], body["split"])


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "study": summary.study,
        "metric": summary.metric,
        "goal": summary.goal,
        "rows": [asdict(row) for row in summary.rows],
        "confirmed": [
            {
                **_trial(c.trial),
                "metric": asdict(c.metric),
                "comparison": None if c.comparison is None else asdict(c.comparison),
            }
            for c in summary.confirmed
        ],
        "labels": list(summary.labels),
        "reason": summary.reason,
        "part": summary.part,
        "confirmation": summary.confirmation,
    }


def _summary_from(body: Mapping[str, Any], facts: StudyFacts) -> Summary:
    return Summary(
        study=body["study"],
        metric=body["metric"],
        goal=body["goal"],
        rows=tuple(TrialRow(**row) for row in body["rows"]),
        confirmed=tuple(
            Confirmed(
                _trial_from(c, facts),
                Estimate(**c["metric"]),
                None if c["comparison"] is None else Comparison(**c["comparison"]),
            )
            for c in body["confirmed"]
        ),
        labels=tuple(body["labels"]),
        reason=body["reason"],
        part=body.get("part", "test"),  # an outbox of before 2026-11-26 does not say
        confirmation=body.get("confirmation", "left out"),
    )
