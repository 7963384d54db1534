"""Outlier removal as pure functions: errors and the active set in, a decision out. No rule knows about networks.

Bimodal distribution removal (BDR), P. Slade and T. Gedeon, IWANN 1993, as used in section 2.4 of the paper:

    candidates  SS = { i active : e_i > mean(e over active) }
    threshold      = mean(e over SS) + alpha * deviation(e over SS)          (population deviation, equation 6)
    remove         { i in SS : e_i >= threshold }, every `interval` epochs from `start` on
    halt training  at the first check after a removal at which variance(e over active) < stop_variance

The state machine is waiting -> active -> halted. Halting is armed only by a removal: with cross-entropy the variance
starts near zero, and a literal "stop below 0.01" would end training before it began.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from fer_sweep.spec.removal import BdrRemoval, OracleRemoval, RandomRemoval

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class Phase(StrEnum):
    """Where a rule stands on one network."""

    WAITING = "waiting"
    ACTIVE = "active"
    HALTED = "halted"


@dataclass(frozen=True)
class RemovalState:
    """What a rule remembers between checks of one network. `first_variance` and `peak_variance` are over the checks
    so far; `started` is the epoch of the first round that was allowed to remove."""

    phase: Phase = Phase.WAITING
    rounds: int = 0
    first_variance: float | None = None
    peak_variance: float = 0.0
    started: int | None = None


@dataclass(frozen=True, eq=False)
class Decision:
    """What to do after a check: the next state and the positions to remove (empty: nothing)."""

    state: RemovalState
    removed: IntArray
    threshold: float

    @property
    def halt(self) -> bool:
        """Whether training of this network ends here."""
        return self.state.phase is Phase.HALTED


NOTHING: IntArray = np.empty(0, dtype=np.int64)


def next_check(settings: BdrRemoval | RandomRemoval, state: RemovalState, epoch: int) -> int | None:
    """The first epoch after `epoch` at which the rule must look at the errors; None when it never will again.

    With a start epoch: start, start + interval, ... With `past_peak`: 0, interval, 2 interval, ... until it starts.
    """
    if state.phase is Phase.HALTED:
        return None
    first = settings.start if isinstance(settings.start, int) else 0
    if epoch < first:
        return first
    return first + ((epoch - first) // settings.interval + 1) * settings.interval


def check_bdr(
    settings: BdrRemoval | RandomRemoval,
    state: RemovalState,
    *,
    epoch: int,
    errors: FloatArray,
    active: BoolArray,
    labels: IntArray,
) -> Decision:
    """One check of BDR. errors: (n,) per-sample errors, active: (n,) current training set, labels: (n,) classes."""
    variance = float(errors[active].var())
    state = _observe_variance(settings, state, epoch, variance)
    if state.phase is Phase.WAITING:
        return Decision(state, NOTHING, float("nan"))
    removed_before = state.rounds > 0
    if removed_before and settings.stop_variance is not None and variance < settings.stop_variance:
        return Decision(replace(state, phase=Phase.HALTED), NOTHING, float("nan"))
    if settings.max_rounds is not None and state.rounds >= settings.max_rounds:
        return Decision(state, NOTHING, float("nan"))
    outliers, threshold = bdr_outliers(errors, active, alpha=settings.alpha, strict=settings.comparison == ">")
    initial = len(errors)
    allowed = _within_guards(
        outliers,
        errors,
        active,
        labels,
        min_keep=int(np.ceil(settings.min_keep_fraction * initial)),
        min_per_class=settings.min_per_class,
    )
    rounds = state.rounds + (1 if len(allowed) else 0)
    return Decision(replace(state, rounds=rounds), allowed, threshold)


def _observe_variance(
    settings: BdrRemoval | RandomRemoval, state: RemovalState, epoch: int, variance: float
) -> RemovalState:
    first = variance if state.first_variance is None else state.first_variance
    peak = max(state.peak_variance, variance)
    state = replace(state, first_variance=first, peak_variance=peak)
    if state.phase is not Phase.WAITING:
        return state
    if isinstance(settings.start, int):
        begins = epoch >= settings.start
    else:
        begins = peak > first and variance <= settings.peak_ratio * peak
    return replace(state, phase=Phase.ACTIVE, started=epoch) if begins else state


def bdr_outliers(errors: FloatArray, active: BoolArray, *, alpha: float, strict: bool) -> tuple[IntArray, float]:
    """Positions of the outliers of one BDR round and the threshold (equation 6).

    Fewer than two candidates, or candidates that are all equal, give no outliers: a single candidate would otherwise
    always reach its own mean and be removed.
    """
    positions = np.flatnonzero(active)
    current = errors[positions]
    candidates = positions[current > current.mean()]
    if len(candidates) < 2:
        return NOTHING, float("nan")
    candidate_errors = errors[candidates]
    deviation = float(candidate_errors.std())
    threshold = float(candidate_errors.mean()) + alpha * deviation
    if deviation == 0.0:
        return NOTHING, threshold
    beyond = candidate_errors > threshold if strict else candidate_errors >= threshold
    return candidates[beyond], threshold


def _within_guards(
    outliers: IntArray,
    errors: FloatArray,
    active: BoolArray,
    labels: IntArray,
    *,
    min_keep: int,
    min_per_class: int,
) -> IntArray:
    """The outliers that may go without leaving fewer than `min_keep` samples or `min_per_class` of a class; where the
    guards bind, the largest errors go first."""
    if not len(outliers):
        return outliers
    budget = int(active.sum()) - min_keep
    spare = np.bincount(labels[active], minlength=int(labels.max()) + 1) - min_per_class
    allowed: list[int] = []
    for position in outliers[np.argsort(-errors[outliers], kind="stable")]:
        if len(allowed) < budget and spare[labels[position]] > 0:
            spare[labels[position]] -= 1
            allowed.append(position)
    return np.sort(np.array(allowed, dtype=np.int64))


def choose_randomly(count: int, active: BoolArray, *, rng: np.random.Generator) -> IntArray:
    """The random-removal control: `count` active positions, uniformly without replacement."""
    positions = np.flatnonzero(active)
    return np.sort(rng.choice(positions, size=min(count, len(positions) - 1), replace=False))


def check_oracle(settings: OracleRemoval, *, epoch: int, active: BoolArray, planted: BoolArray) -> IntArray:
    """The oracle control: all active positions whose label is known to be wrong, at epoch `start`; else nothing."""
    return np.flatnonzero(active & planted) if epoch == settings.start else NOTHING
