"""Metrics exactly as the paper defines them (section 2.2), per test fold, then averaged over networks.

Per class, one against the rest: precision = tp / (tp + fp), recall = tp / (tp + fn), specificity = tn / (tn + fp).
Accuracy is trace / N, UAR is the mean recall, macro-F1 the mean of the classes' F1. A ratio 0 / 0 counts as 0.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_sweep.training.records import MetricValues, TrialResult

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

METRICS = ("accuracy", "macro_f1", "uar")
CLASS_METRICS = ("precision", "recall", "specificity", "f1")


def confusion_matrix(truth: IntArray, predicted: IntArray, classes: int) -> IntArray:
    """(C, C) counts; rows are the true classes, columns the predicted ones."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def row_shares(confusion: IntArray) -> FloatArray:
    """(C, C) each count as a share of its true class; 0 where a class has no samples."""
    counts = confusion.astype(np.float64)
    return _ratio(counts, np.broadcast_to(counts.sum(axis=1, keepdims=True), counts.shape))


@dataclass(frozen=True, eq=False)
class ClassMetrics:
    """Per-class (C,) precision, recall, specificity and F1."""

    precision: FloatArray
    recall: FloatArray
    specificity: FloatArray
    f1: FloatArray


def class_metrics(confusion: IntArray) -> ClassMetrics:
    """Per-class metrics of one (C, C) confusion matrix."""
    counts = confusion.astype(np.float64)
    tp = np.diag(counts)
    fp = counts.sum(axis=0) - tp
    fn = counts.sum(axis=1) - tp
    tn = counts.sum() - tp - fp - fn
    return ClassMetrics(
        precision=_ratio(tp, tp + fp),
        recall=_ratio(tp, tp + fn),
        specificity=_ratio(tn, tn + fp),
        f1=_ratio(2 * tp, 2 * tp + fp + fn),
    )


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


@dataclass(frozen=True)
class Estimate:
    """A metric over the networks of a trial: mean of the per-fold values, `spread` = standard deviation over repeats
    (each the mean of its folds; None with a single repeat), n = number of networks."""

    mean: float
    spread: float | None
    n: int


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one trial on one part of the data (test or validation).

    by_network: metric name -> (repeats, folds); confusions: (repeats * folds, C, C); classes_by_network: name of a
    class metric -> (repeats, folds, C).
    """

    by_network: Mapping[str, FloatArray]
    confusions: IntArray
    classes_by_network: Mapping[str, FloatArray]

    @property
    def repeats(self) -> int:
        return len(self.by_network["accuracy"])

    @property
    def per_class(self) -> ClassMetrics:
        """Means over networks."""
        return ClassMetrics(**{name: values.mean(axis=(0, 1)) for name, values in self.classes_by_network.items()})

    def class_estimate(self, name: str, index: int) -> Estimate:
        """Mean, spread and n of a class metric of one class."""
        return estimate(self.classes_by_network[name][:, :, index])

    def class_mean(self, name: str) -> Estimate:
        """Mean, spread and n of the mean of a class metric over the classes."""
        return estimate(self.classes_by_network[name].mean(axis=2))

    def estimate(self, name: str) -> Estimate:
        """Mean, spread and n of a metric by its name in the sweep file."""
        return estimate(self.by_network[name])

    @property
    def accuracy(self) -> Estimate:
        return self.estimate("accuracy")

    @property
    def support(self) -> FloatArray:
        """(C,) samples of each class in a repeat: all its folds together."""
        counted: FloatArray = self.confusions.sum(axis=(0, 2)) / self.repeats
        return counted

    @property
    def confusion(self) -> IntArray:
        """(C, C) sum over all networks."""
        total: IntArray = self.confusions.sum(axis=0)
        return total


def metric_values(confusion: IntArray) -> MetricValues:
    """Accuracy, macro-F1 and UAR of one confusion matrix; NaN where not one sample was counted."""
    (values,) = metric_values_of([confusion])
    return values


def metric_values_of(confusions: Sequence[IntArray]) -> list[MetricValues]:
    """The `metric_values` of some networks, a confusion matrix each, in one pass."""
    # the same as by class_metrics, which computes twice as much: this is called for every network at every report
    counts = np.stack(confusions).astype(np.float64)
    right = np.diagonal(counts, axis1=1, axis2=2)
    true, predicted = counts.sum(axis=2), counts.sum(axis=1)
    total = true.sum(axis=1)
    with np.errstate(invalid="ignore"):  # 0 / 0 without samples
        accuracy = right.sum(axis=1) / total
    macro_f1, uar = (_ratio(2 * right, true + predicted).mean(axis=1), _ratio(right, true).mean(axis=1))
    macro_f1[total == 0.0] = uar[total == 0.0] = math.nan
    return [MetricValues(*values) for values in np.stack([accuracy, macro_f1, uar], axis=1).tolist()]


def mean_values(values: Sequence[MetricValues]) -> MetricValues:
    """The mean of each metric over networks."""
    return MetricValues(**{name: float(np.mean([v.value(name) for v in values])) for name in METRICS})


def scores(confusions: Sequence[IntArray], *, repeats: int) -> Scores:
    """Scores from per-network confusion matrices ordered by (repeat, fold)."""
    each = [class_metrics(confusion) for confusion in confusions]
    values = metric_values_of(confusions)
    return Scores(
        by_network={name: np.array([v.value(name) for v in values]).reshape(repeats, -1) for name in METRICS},
        confusions=np.stack(confusions),
        classes_by_network={
            name: np.array([getattr(m, name) for m in each]).reshape(repeats, -1, confusions[0].shape[0])
            for name in CLASS_METRICS
        },
    )


def estimate(values: FloatArray) -> Estimate:
    """Mean, spread and n of a metric's values, (repeats, folds)."""
    by_repeat = values.mean(axis=1)
    spread = float(by_repeat.std(ddof=1)) if len(by_repeat) > 1 else None
    return Estimate(mean=float(by_repeat.mean()), spread=spread, n=values.size)


def scores_on_test(result: TrialResult, y: IntArray, classes: int) -> Scores:
    """Scores on the test folds. y: (N,) labels of all samples."""
    networks = result.networks
    return scores(
        [confusion_matrix(y[n.test], n.test_probabilities.argmax(axis=1), classes) for n in networks],
        repeats=1 + max(n.repeat for n in networks),
    )


def scores_on_validation(result: TrialResult, y: IntArray, classes: int) -> Scores | None:
    """Scores on the validation parts, or None when the protocol has none."""
    networks = result.networks
    if not len(networks[0].validation):
        return None
    return scores(
        [confusion_matrix(y[n.validation], n.validation_probabilities.argmax(axis=1), classes) for n in networks],
        repeats=1 + max(n.repeat for n in networks),
    )


def objective_scores(result: TrialResult, y: IntArray, classes: int) -> Scores:
    """What the search optimizes on: validation where there is any, else the test folds (as in the paper)."""
    return scores_on_validation(result, y, classes) or scores_on_test(result, y, classes)
