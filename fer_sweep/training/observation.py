"""How networks do at an epoch: all of a cohort in one pass, because this is asked hundreds of times in a training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_sweep.training.metrics import metric_values_of
from fer_sweep.training.records import HISTOGRAM_BINS, HISTOGRAM_MAX, MetricValues

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LARGEST_LOSS = float(-np.log(np.finfo(np.float32).tiny))
"""What a probability below the smallest normal number counts as in the mean of test losses."""


@dataclass(frozen=True)
class Observation:
    """A network at one epoch."""

    train_loss: float
    loss_variance: float
    active: int
    train_accuracy: float
    test_loss: float
    test: MetricValues
    validation: MetricValues | None


@dataclass(frozen=True, eq=False)
class Fit:
    """Networks on their training sets, a row each: cross-entropy (K, N) of every sample, whether it is predicted right,
    and whether it is in use. Padding is not in use."""

    cross_entropy: FloatArray
    right: BoolArray
    active: BoolArray


@dataclass(frozen=True, eq=False)
class Judged:
    """Networks on one of their sets, a row each: cross-entropy (K, N) and predicted classes (K, N).
    truth: the classes of each row's samples; what stands in its padding means nothing."""

    cross_entropy: FloatArray
    predicted: IntArray
    truth: Sequence[IntArray]

    @classmethod
    def of(cls, probabilities: Sequence[npt.NDArray[np.float32]], truth: Sequence[IntArray]) -> "Judged":
        """From class probabilities (n, C) of each network."""
        width = max(map(len, truth))
        cross_entropy = np.zeros((len(truth), width))
        predicted = np.zeros((len(truth), width), dtype=np.int64)
        for k, (of_network, classes) in enumerate(zip(probabilities, truth, strict=True)):
            own = of_network[np.arange(len(classes)), classes]
            cross_entropy[k, : len(own)] = -np.log(np.maximum(own, np.finfo(np.float32).tiny))
            predicted[k, : len(own)] = of_network.argmax(axis=1)
        return cls(cross_entropy, predicted, truth)

    def select(self, rows: Sequence[int]) -> "Judged":
        """Some of the networks."""
        return Judged(self.cross_entropy[rows], self.predicted[rows], [self.truth[p] for p in rows])

    def confusions(self, classes: int) -> IntArray:
        """(K, C, C) counts; rows are the true classes, columns the predicted ones."""
        cells = classes * classes
        own = [predicted[: len(true)] for predicted, true in zip(self.predicted, self.truth, strict=True)]
        rows = np.repeat(np.arange(len(own)), [len(true) for true in self.truth])
        index = rows * cells + np.concatenate(self.truth) * classes + np.concatenate(own)
        return np.bincount(index, minlength=len(own) * cells).reshape(-1, classes, classes)

    def losses(self) -> FloatArray:
        """(K,) mean cross-entropy; NaN without samples."""
        sizes = np.array([len(true) for true in self.truth])
        counted = np.arange(self.cross_entropy.shape[1]) < sizes[:, None]
        total = np.where(counted, np.minimum(self.cross_entropy, LARGEST_LOSS), 0.0).sum(axis=1)
        with np.errstate(invalid="ignore"):
            mean: FloatArray = total / sizes
        return mean


def observe(fit: Fit, test: Judged, validation: Judged, *, classes: int) -> list[Observation]:
    """How each network does. A training loss that is no number makes their mean and variance none."""
    active, sizes = fit.active, fit.active.sum(axis=1)
    finite = _finite(fit.cross_entropy, active)
    with np.errstate(invalid="ignore"):
        mean = np.where(active, fit.cross_entropy, 0.0).sum(axis=1) / sizes
        away = np.where(active, fit.cross_entropy - mean[:, None], 0.0)
        variance = np.square(away).sum(axis=1) / sizes
    mean[~finite] = variance[~finite] = np.nan
    accuracy = (fit.right & active).sum(axis=1) / sizes
    numbers = (series.tolist() for series in (mean, variance, sizes, accuracy, test.losses()))
    on_test, on_validation = (metric_values_of(list(part.confusions(classes))) for part in (test, validation))
    validated = [values if len(true) else None for values, true in zip(on_validation, validation.truth, strict=True)]
    return [Observation(*values) for values in zip(*numbers, on_test, validated, strict=True)]


def loss_histograms(cross_entropy: FloatArray, active: BoolArray) -> npt.NDArray[np.int32]:
    """(K, HISTOGRAM_BINS) counts of the losses (K, N) in use from 0 to HISTOGRAM_MAX; larger ones are in the last bin,
    and so are all of a network once one of them is no number."""
    known = np.where(_finite(cross_entropy, active)[:, None], cross_entropy, np.inf)
    bins = np.fmin(known * (HISTOGRAM_BINS / HISTOGRAM_MAX), HISTOGRAM_BINS - 1)
    rows = np.repeat(np.arange(len(active)), active.sum(axis=1))
    counts = np.bincount(rows * HISTOGRAM_BINS + bins[active].astype(np.int64), minlength=len(active) * HISTOGRAM_BINS)
    return counts.reshape(-1, HISTOGRAM_BINS).astype(np.int32)


def _finite(cross_entropy: FloatArray, active: BoolArray) -> BoolArray:
    return np.asarray((np.isfinite(cross_entropy) | ~active).all(axis=1))
