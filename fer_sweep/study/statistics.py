"""Comparing two configurations on the same splits, without fooling oneself.

The plain paired t test is wrong for cross-validation: training sets overlap, so differences are correlated and their
variance underestimates what new data would show. C. Nadeau and Y. Bengio (Machine Learning 52, 2003) correct it:

    t = mean(d) / sqrt( var(d) * (1 / J + n_test / n_train) ),   J - 1 degrees of freedom

Several configurations against one base are corrected by S. Holm (1979).

The interval of a single mean is over the repeats: how far it would move with other splits and initial weights of the
same samples. All repeats share those samples, so it says nothing about new ones, and it is no test of two trials.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special


@dataclass(frozen=True)
class Comparison:
    """Mean difference over J = n paired folds, its 95 % interval and two-sided p (Nadeau-Bengio corrected).
    `p_holm` is p corrected for the number of configurations compared. `spread` is the deviation over folds."""

    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    spread: float
    n: int


FEWEST_REPEATS = 3
"""With two, the t distribution's tails make the interval 18 deviations wide: it would only pretend to inform."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float


def interval_over_repeats(mean: float | None, spread: float | None, *, repeats: int) -> Interval | None:
    """The t interval of a mean over repeats whose standard deviation is `spread`; None with fewer than 3 of them."""
    if mean is None or spread is None or repeats < FEWEST_REPEATS:
        return None
    half = float(special.stdtrit(repeats - 1, 0.975)) * spread / math.sqrt(repeats)
    return Interval(mean - half, mean + half)


def next_repeat(mean: float, spread: float | None, *, repeats: int) -> Interval | None:
    """Where the mean of one more repeat lies with 95 %: the t prediction interval; None with fewer than 3 repeats."""
    if spread is None or repeats < FEWEST_REPEATS:
        return None
    half = float(special.stdtrit(repeats - 1, 0.975)) * spread * math.sqrt(1.0 + 1.0 / repeats)
    return Interval(mean - half, mean + half)


def corrected_comparison(differences: npt.NDArray[np.float64], *, test_to_train: float) -> Comparison:
    """Nadeau-Bengio corrected paired comparison. differences: (J,) one per fold, J >= 2; test_to_train: n_test /
    n_train."""
    n = differences.size
    mean, variance = float(differences.mean()), float(differences.var(ddof=1))
    error = math.sqrt(variance * (1.0 / n + test_to_train))
    if error == 0.0:  # every fold agrees to the last digit: the same predictions, or a constant shift
        p = 1.0 if mean == 0.0 else 0.0
        return Comparison(mean, mean, mean, p, p, 0.0, n)
    p = float(2.0 * special.stdtr(n - 1, -abs(mean) / error))
    half = half_width(math.sqrt(variance), n=n, test_to_train=test_to_train)
    return Comparison(mean, mean - half, mean + half, p, p, math.sqrt(variance), n)


def half_width(spread: float, *, n: int, test_to_train: float) -> float:
    """Half of a corrected 95 % interval over n folds whose differences have the deviation `spread`. More folds of the
    same size narrow it to 1.96 * spread * sqrt(test_to_train) and no further: the samples are the same ones."""
    return float(special.stdtrit(n - 1, 0.975)) * spread * math.sqrt(1.0 / n + test_to_train)


def holm(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons with p_holm filled in: step-down, monotone, at most 1."""
    order = sorted(range(len(comparisons)), key=lambda i: comparisons[i].p)
    corrected = list(comparisons)
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * comparisons[i].p))
        corrected[i] = replace(comparisons[i], p_holm=running)
    return corrected
