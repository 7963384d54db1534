"""Events: what a study tells whoever watches. Frozen facts; tracking and progress consume them, nothing flows back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fer_sweep.spec.search import Scalar
from fer_sweep.spec.trial import TrialConfig
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.statistics import Comparison
from fer_sweep.training.metrics import Estimate
from fer_sweep.training.records import EpochReport, TrialFailure, TrialResult

Stage = Literal["search", "confirm"]


@dataclass(frozen=True)
class Trial:
    """A trial of a stage. In the search, number 0 is the base; in the confirmation, `number` is the number that the
    configuration had in the search. split_hash: the splits it is measured on; those of the confirmation are fresh."""

    stage: Stage
    number: int
    config: TrialConfig
    assignments: Mapping[str, Scalar]
    split_hash: str


@dataclass(frozen=True)
class TrialStarted:
    """A trial begins (or begins again after a crash)."""

    trial: Trial


@dataclass(frozen=True)
class EpochReported:
    """A trial that is running has reached an epoch."""

    trial: Trial
    report: EpochReport


@dataclass(frozen=True)
class TrialInterrupted:
    """What a trial ran in is gone; it runs again, from its checkpoint where it has one."""

    trial: Trial
    why: str


@dataclass(frozen=True)
class Waiting:
    """Nothing has happened for a moment; whoever watches may look at something else."""


@dataclass(frozen=True)
class StudyPaused:
    """Nothing new is asked until the study is resumed. since: when that was ordered (UTC, ISO 8601)."""

    since: str


@dataclass(frozen=True)
class StudyResumed:
    """The pause is over."""


@dataclass(frozen=True)
class StudyCancelled:
    """Somebody ordered the study to end now: whoever consumes the events closes them, as after Ctrl-C."""


@dataclass(frozen=True)
class TrialFinished:
    """A trial has ended. `result` is None when it failed; `reused_from` names the equal trial whose end it took."""

    trial: Trial
    row: TrialRow
    result: TrialResult | None
    failure: TrialFailure | None = None
    reused_from: int | None = None


@dataclass(frozen=True)
class SearchEnded:
    """The search is over; `reason` says which cap ended it."""

    reason: str


@dataclass(frozen=True)
class Confirmed:
    """One configuration on fresh splits, and how it compares with the base on the same splits (None for the base)."""

    trial: Trial
    metric: Estimate
    comparison: Comparison | None


@dataclass(frozen=True)
class StudyFinished:
    """Everything is done: all rows, and the confirmed configurations, best first (empty without `confirm`)."""

    rows: tuple[TrialRow, ...]
    confirmed: tuple[Confirmed, ...]
    reason: str


Event = (
    TrialStarted
    | EpochReported
    | TrialInterrupted
    | TrialFinished
    | Waiting
    | StudyPaused
    | StudyResumed
    | StudyCancelled
    | SearchEnded
    | Confirmed
    | StudyFinished
)
