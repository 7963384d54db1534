"""Calibration against small hand-computed tables."""

from dataclasses import replace

import numpy as np
import pytest

from fer_sweep.training.calibration import BINS, calibration_on_test, reliability
from tests.tracking.factories import CLASSES, TRAIN_SIZE, trial_result


def two_classes(*confidence_in_first: float) -> np.ndarray:
    first = np.array(confidence_in_first, dtype=np.float32)
    return np.stack([first, 1 - first], axis=1)


def test_ece_of_a_small_table_is_the_weighted_mean_of_the_bins_gaps() -> None:
    # three predictions in (12/15, 13/15], two of them right; one in (9/15, 10/15], right, of the second class
    bins = reliability(two_classes(0.82, 0.84, 0.86, 0.38), np.array([0, 0, 1, 1]))

    assert bins.counts.tolist() == [0] * 9 + [1, 0, 0, 3, 0, 0]
    assert bins.confidence[12] == pytest.approx(0.84)
    assert bins.accuracy[12] == pytest.approx(2 / 3)
    assert bins.confidence[9] == pytest.approx(0.62)
    assert np.isnan(bins.accuracy[0])
    assert bins.ece == pytest.approx((3 * (0.84 - 2 / 3) + 1 * (1 - 0.62)) / 4)


def test_certainty_counts_in_the_last_bin() -> None:
    right, wrong = (reliability(two_classes(1.0, 1.0), np.full(2, y)) for y in (0, 1))

    assert right.counts.tolist() == wrong.counts.tolist() == [0] * (BINS - 1) + [2]
    assert (right.ece, wrong.ece) == (0.0, 1.0)


def test_a_trials_ece_is_the_mean_over_networks_with_the_spread_over_repeats() -> None:
    result = trial_result()
    y = np.random.default_rng(0).integers(0, CLASSES, 2 * TRAIN_SIZE)
    each = np.array([reliability(n.test_probabilities, y[n.test]).ece for n in result.networks]).reshape(2, 2)

    found = calibration_on_test(result, y)

    assert found.ece.mean == pytest.approx(each.mean())
    assert found.ece.spread == pytest.approx(each.mean(axis=1).std(ddof=1))
    assert found.ece.n == 4
    assert found.pooled.counts.sum() == 4 * TRAIN_SIZE
    assert found.pooled.ece <= found.ece.mean


def test_networks_that_err_to_opposite_sides_do_not_cancel_in_the_ece() -> None:
    two = trial_result().networks[:2]
    sure = [replace(n, test=np.array([0, 1]), test_probabilities=two_classes(0.75, 0.75)) for n in two]
    result = replace(trial_result(), networks=(sure[0], replace(sure[1], test=np.array([2, 3]))))

    found = calibration_on_test(result, np.array([0, 0, 0, 1]))  # all and half of them right

    assert found.ece.mean == pytest.approx(0.25)
    assert found.ece.spread is None
    assert found.pooled.ece == pytest.approx(0.0)
