"""Calibration of the predicted class (top label): does a network that is 80 % sure turn out right 80 % of the time?

C. Guo et al., On calibration of modern neural networks, ICML 2017: BINS bins of equal width over the confidence, that
is the largest probability; bin b is (b / BINS, (b + 1) / BINS]. With n_b of N samples, accuracy a_b and mean confidence
c_b in bin b,

    expected calibration error (ECE) = sum over b of n_b / N * |a_b - c_b|

The estimate leans upwards on few samples, because |a_b - c_b| takes chance for miscalibration: compare trials whose
test parts are equally large. It means nothing for an SVM, whose votes are no probabilities.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_sweep.training.metrics import Estimate, estimate
from fer_sweep.training.records import TrialResult

BINS = 15

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Reliability:
    """counts: (BINS,) samples; confidence, accuracy: (BINS,) their mean confidence and share of right predictions, NaN
    where there are none."""

    counts: IntArray
    confidence: FloatArray
    accuracy: FloatArray

    @property
    def ece(self) -> float:
        """Expected calibration error, in [0, 1]."""
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float((self.counts * gaps).sum() / self.counts.sum())


def reliability(probabilities: npt.NDArray[np.float32], truth: IntArray) -> Reliability:
    """The reliability bins of predictions. probabilities: (n, C), n > 0; truth: (n,) classes."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == truth
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)

    def mean(values: npt.NDArray[np.generic]) -> FloatArray:
        sums = np.bincount(bins, weights=values, minlength=BINS)
        means: FloatArray = np.divide(sums, counts, out=np.full(BINS, np.nan), where=counts > 0)
        return means

    return Reliability(counts, mean(confidence), mean(right))


@dataclass(frozen=True, eq=False)
class Calibration:
    """How well a trial's confidence fits on the test folds: the ECE of each network, and the bins of all predictions
    pooled, whose own ECE is smaller, since networks that err to opposite sides cancel there."""

    ece: Estimate
    pooled: Reliability


def calibration_on_test(result: TrialResult, y: IntArray) -> Calibration:
    """Calibration on the test folds. y: (N,) labels of all samples."""
    networks = result.networks
    each = [reliability(n.test_probabilities, y[n.test]).ece for n in networks]
    pooled = reliability(
        np.concatenate([n.test_probabilities for n in networks]), np.concatenate([y[n.test] for n in networks])
    )
    return Calibration(estimate(np.reshape(each, (1 + max(n.repeat for n in networks), -1))), pooled)
