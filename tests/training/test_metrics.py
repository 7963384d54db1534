"""Metrics against small hand-computed tables and the identities that every confusion matrix obeys."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fer_sweep.training.metrics import (
    class_metrics,
    confusion_matrix,
    metric_values,
    metric_values_of,
    row_shares,
    scores,
)


def test_metrics_of_a_small_table_are_those_of_the_paper() -> None:
    confusion = np.array([[3, 1], [2, 4]])

    metrics = class_metrics(confusion)

    assert metrics.precision.tolist() == pytest.approx([3 / 5, 4 / 5])
    assert metrics.recall.tolist() == pytest.approx([3 / 4, 4 / 6])
    assert metrics.specificity.tolist() == pytest.approx([4 / 6, 3 / 4])
    assert metric_values(confusion).accuracy == pytest.approx(0.7)
    assert metric_values(confusion).uar == pytest.approx((3 / 4 + 4 / 6) / 2)


def test_rows_are_true_classes() -> None:
    confusion = confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)

    assert confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_row_shares_add_up_to_one_except_for_a_class_without_samples() -> None:
    assert row_shares(np.array([[3, 1], [0, 0]])).tolist() == [[0.75, 0.25], [0.0, 0.0]]


def test_a_class_nobody_predicted_counts_as_zero() -> None:
    metrics = class_metrics(np.array([[2, 0], [1, 0]]))

    assert metrics.precision.tolist() == pytest.approx([2 / 3, 0.0])
    assert metrics.f1.tolist() == pytest.approx([0.8, 0.0])


@given(arrays(np.int64, (7, 7), elements=st.integers(0, 30)))
def test_false_positives_and_specificities_add_up(confusion: np.ndarray) -> None:
    n = int(confusion.sum())
    if n == 0:
        return
    of_class = confusion.sum(axis=1)
    accuracy = metric_values(confusion).accuracy

    specificity = class_metrics(confusion).specificity

    assert ((n - of_class) * specificity).sum() == pytest.approx(n * (7 - 2 + accuracy))
    assert metric_values(confusion).macro_f1 == pytest.approx(class_metrics(confusion).f1.mean())
    assert metric_values(confusion).uar == pytest.approx(class_metrics(confusion).recall.mean())


def test_networks_are_scored_together_as_each_is_alone() -> None:
    some, none = np.array([[3, 1], [2, 4]]), np.zeros((2, 2), dtype=np.int64)

    together = metric_values_of([some, none, some.T])

    assert [together[0], together[2]] == [metric_values(some), metric_values(some.T)]
    assert together[0].accuracy == pytest.approx(0.7)
    assert np.isnan([together[1].accuracy, together[1].macro_f1, together[1].uar]).all(), "nothing was counted"


def test_spread_is_the_deviation_over_repeats_of_the_mean_over_folds() -> None:
    def matrix(right: int) -> np.ndarray:
        return np.array([[right, 10 - right], [0, 0]])

    four = scores([matrix(4), matrix(6), matrix(7), matrix(9)], repeats=2)

    assert four.accuracy.mean == pytest.approx(0.65)
    assert four.accuracy.spread == pytest.approx(np.std([0.5, 0.8], ddof=1))
    assert four.accuracy.n == 4
    assert scores([matrix(4), matrix(6)], repeats=1).accuracy.spread is None
