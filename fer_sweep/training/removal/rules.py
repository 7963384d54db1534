"""Every rule by its settings: when it looks at a network next, and what it decides there."""

import numpy as np

from fer_sweep.spec.removal import (
    AbsoluteRemoval,
    AumRemoval,
    BdrRemoval,
    GuardedRemoval,
    LmsRemoval,
    LtsRemoval,
    MixtureRemoval,
    NoRemoval,
    OracleRemoval,
    RemovalConfig,
    SmallLossRemoval,
)
from fer_sweep.training.removal.bdr import check_bdr, next_bdr_check
from fer_sweep.training.removal.decision import NOTHING, BoolArray, Decision, IntArray, RemovalState, Seen
from fer_sweep.training.removal.guarded import check_guarded
from fer_sweep.training.removal.margins import check_aum, next_aum_check
from fer_sweep.training.removal.mixture import check_mixture
from fer_sweep.training.removal.trimming import check_lms, check_lts, check_small_loss

LEAST_WEIGHT = 1e-6
"""Of a sample that the absolute criterion hardly counts: it is still one of those trained on."""


def next_check(settings: RemovalConfig, state: RemovalState, epoch: int) -> int | None:
    """The first epoch after `epoch` at which the rule must look at a network; None when it never will again."""
    match settings:
        case NoRemoval():
            return None
        case OracleRemoval():
            return settings.start if epoch < settings.start else None
        case BdrRemoval() | GuardedRemoval():
            return next_bdr_check(settings, state, epoch)
        case AumRemoval():
            return next_aum_check(settings, epoch)
        case SmallLossRemoval():
            return (epoch // settings.interval + 1) * settings.interval
        case LtsRemoval() | LmsRemoval() | MixtureRemoval() | AbsoluteRemoval():
            since = epoch - settings.start
            return settings.start + (max(since // settings.interval, -1) + 1) * settings.interval


def check(settings: RemovalConfig, state: RemovalState, seen: Seen) -> Decision:
    """What the rule decides at an epoch that `next_check` named."""
    match settings:
        case NoRemoval():
            return Decision(state)
        case OracleRemoval():
            assert seen.planted is not None
            return Decision(state, np.flatnonzero(seen.active & seen.planted))
        case BdrRemoval():
            return check_bdr(settings, state, seen)
        case GuardedRemoval():
            return check_guarded(settings, state, seen)
        case LtsRemoval():
            return check_lts(settings, state, seen)
        case LmsRemoval():
            return check_lms(settings, state, seen)
        case AbsoluteRemoval():
            return Decision(state, weights=np.maximum(np.exp(-seen.errors), LEAST_WEIGHT))
        case SmallLossRemoval():
            return check_small_loss(settings, state, seen)
        case MixtureRemoval():
            return check_mixture(settings, state, seen)
        case AumRemoval():
            return check_aum(settings, state, seen)


def imitate(count: int, active: BoolArray, *, rng: np.random.Generator) -> Decision:
    """The random control: `count` samples in use from now on; those to go or to come back are drawn uniformly."""
    surplus = int(active.sum()) - count
    if surplus > 0:
        return Decision(RemovalState(), removed=_drawn(active, surplus, rng))
    back = _drawn(~active, -surplus, rng) if surplus < 0 else NOTHING
    return Decision(RemovalState(), readmitted=back)


def _drawn(among: BoolArray, count: int, rng: np.random.Generator) -> IntArray:
    return np.sort(rng.choice(np.flatnonzero(among), size=count, replace=False))
