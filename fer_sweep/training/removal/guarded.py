"""Guarded BDR: acts only where outliers are significantly distinguishable. The paper concludes that BDR's decision
criterion should be adjusted so that it also works where they are not.

Bimodality coefficient b = (skewness^2 + 1) / kurtosis (W. Sarle, SAS/STAT User's Guide 1990): 1 for two points, 5/9 for
the uniform and the exponential distribution, less for a bell. A test for a gap between modes (excess mass, the dip) has
no power here: the losses of wrong labels are few and spread wide, and no gap opens (docs/results.md).
"""

from dataclasses import replace

import numpy as np

from fer_sweep.spec.removal import GuardedRemoval
from fer_sweep.training.removal.bdr import moved_on, one_round, outliers_of
from fer_sweep.training.removal.decision import Decision, FloatArray, RemovalState, Seen
from fer_sweep.training.removal.guards import per_class


def check_guarded(settings: GuardedRemoval, state: RemovalState, seen: Seen) -> Decision:
    """One check of guarded BDR: BDR's outliers, if the errors are bimodal beyond chance, without those that still
    learn, and within each class's cap. The errors of the check before are its memory."""
    before, state = np.array(state.memory), replace(state, memory=tuple(seen.errors.tolist()))
    state, waits = moved_on(settings, state, seen)
    current = seen.errors[seen.active]
    if waits or not len(before) or bimodality_coefficient(current) <= critical_coefficient(len(current)):
        return Decision(state)
    outliers, threshold = outliers_of(settings, seen)
    stuck = seen.errors[outliers] >= (1.0 - settings.trend) * before[outliers]
    least = per_class(seen, settings.min_per_class, kept_share=1.0 - settings.max_class_share)
    return one_round(settings, state, seen, outliers[stuck], threshold, least=least)


def bimodality_coefficient(errors: FloatArray) -> float:
    """Of (n,) errors; 0 where there are none, or they are equal."""
    deviation = float(errors.std()) if len(errors) else 0.0
    if deviation == 0.0:
        return 0.0
    standardized = (errors - errors.mean()) / deviation
    return float(((standardized**3).mean() ** 2 + 1.0) / (standardized**4).mean())


def critical_coefficient(samples: int) -> float:
    """The coefficient that so many errors reach in 5 % of all cases if they trail off exponentially, without a second
    mode; a fit to simulations of 50 to 3000 samples, good to 0.01."""
    return 5 / 9 + 0.82 * samples**-0.365 if samples else 1.0
