"""Bimodal distribution removal (BDR), P. Slade and T. Gedeon, IWANN 1993, as used in section 2.4 of the paper:

    candidates  SS = { i active : e_i > mean(e over active) }
    threshold      = mean(e over SS) + alpha * deviation(e over SS)          (population deviation, equation 6)
    remove         { i in SS : e_i >= threshold }, every `interval` epochs from `start` on
    halt training  at the first check after a removal at which variance(e over active) < stop_variance

The state machine is waiting -> active -> halted. Halting is armed only by a removal: with cross-entropy the variance
starts near zero, and a literal "stop below 0.01" would end training before it began.
"""

from dataclasses import replace

import numpy as np

from fer_sweep.spec.removal import BdrRemoval, BdrSettings
from fer_sweep.training.removal.decision import (
    NOTHING,
    BoolArray,
    Decision,
    FloatArray,
    IntArray,
    Phase,
    RemovalState,
    Seen,
)
from fer_sweep.training.removal.guards import per_class, within_guards


def next_bdr_check(settings: BdrSettings, state: RemovalState, epoch: int) -> int | None:
    """The first epoch after `epoch` at which the rule must look at the errors; None when it never will again.

    With a start epoch: start, start + interval, ... With `past_peak`: 0, interval, 2 interval, ... until it starts.
    """
    if state.phase is Phase.HALTED:
        return None
    first = settings.start if isinstance(settings.start, int) else 0
    if epoch < first:
        return first
    return first + ((epoch - first) // settings.interval + 1) * settings.interval


def check_bdr(settings: BdrRemoval, state: RemovalState, seen: Seen) -> Decision:
    """One check of BDR."""
    state, waits = moved_on(settings, state, seen)
    if waits:
        return Decision(state)
    outliers, threshold = outliers_of(settings, seen)
    return one_round(settings, state, seen, outliers, threshold, least=per_class(seen, settings.min_per_class))


def moved_on(settings: BdrSettings, state: RemovalState, seen: Seen) -> tuple[RemovalState, bool]:
    """The state after this check's variance, and whether no round of removal follows."""
    variance = float(seen.errors[seen.active].var())
    state = _observe_variance(settings, state, seen.epoch, variance)
    if state.phase is Phase.WAITING:
        return state, True
    if state.rounds and settings.stop_variance is not None and variance < settings.stop_variance:
        return replace(state, phase=Phase.HALTED), True
    return state, settings.max_rounds is not None and state.rounds >= settings.max_rounds


def outliers_of(settings: BdrSettings, seen: Seen) -> tuple[IntArray, float]:
    """Positions of BDR's outliers at this check, and the threshold."""
    strict = settings.comparison == ">"
    return bdr_outliers(seen.errors, seen.active, alpha=settings.alpha, strict=strict)


def one_round(
    settings: BdrSettings, state: RemovalState, seen: Seen, outliers: IntArray, threshold: float, *, least: IntArray
) -> Decision:
    """The decision to remove these outliers, as far as the guards let them go. least: (C,) samples of each class that
    stay."""
    allowed = within_guards(outliers, seen, min_keep_fraction=settings.min_keep_fraction, least=least)
    return Decision(replace(state, rounds=state.rounds + (1 if len(allowed) else 0)), allowed, threshold)


def _observe_variance(settings: BdrSettings, state: RemovalState, epoch: int, variance: float) -> RemovalState:
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
