"""Networks observed together are as each is by the definitions, one by one."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from fer_sweep.training.metrics import confusion_matrix, metric_values
from fer_sweep.training.observation import Fit, Judged, loss_histograms, observe
from fer_sweep.training.records import HISTOGRAM_BINS, HISTOGRAM_MAX

SIZES = ((9, 5, 0), (4, 8, 3), (7, 8, 6))
"""Of three networks: samples to train, to test and to validate."""
CLASSES = 4


def fit(random: np.random.Generator) -> Fit:
    width = max(train for train, _, _ in SIZES)
    active = random.random((3, width)) < 0.7
    for k, (train, _, _) in enumerate(SIZES):
        active[k, train:] = False
        active[k, 0] = True
    return Fit(random.gamma(1.0, 2.0, (3, width)), random.random((3, width)) < 0.5, active)


def judged(random: np.random.Generator, part: int) -> tuple[Judged, list[npt.NDArray[np.float32]]]:
    probabilities = [random.dirichlet(np.ones(CLASSES), sizes[part]).astype(np.float32) for sizes in SIZES]
    truth = [random.integers(0, CLASSES, sizes[part]) for sizes in SIZES]
    return Judged.of(probabilities, truth), probabilities


def test_together_as_one_by_one() -> None:
    random = np.random.default_rng(0)
    trained, (test, on_test), (validation, on_validation) = fit(random), judged(random, 1), judged(random, 2)

    found = observe(trained, test, validation, classes=CLASSES)

    for k, one in enumerate(found):
        current = trained.cross_entropy[k][trained.active[k]]
        assert one.train_loss == pytest.approx(current.mean())
        assert one.loss_variance == pytest.approx(current.var())
        assert one.active == len(current)
        assert one.train_accuracy == trained.right[k][trained.active[k]].mean()
        of_truth = on_test[k][np.arange(len(test.truth[k])), test.truth[k]]
        assert one.test_loss == pytest.approx(-np.log(of_truth).mean())
        assert one.test == metric_values(confusion_matrix(test.truth[k], on_test[k].argmax(1), CLASSES))
        if not len(validation.truth[k]):
            assert one.validation is None
        else:
            confusion = confusion_matrix(validation.truth[k], on_validation[k].argmax(1), CLASSES)
            assert one.validation == metric_values(confusion)


def test_some_are_as_all() -> None:
    random = np.random.default_rng(1)
    test, _ = judged(random, 1)

    some = test.select([2, 0])

    np.testing.assert_array_equal(some.losses(), test.losses()[[2, 0]])
    np.testing.assert_array_equal(some.confusions(CLASSES), test.confusions(CLASSES)[[2, 0]])


def test_histograms_count_the_losses_in_use_and_the_largest_in_the_last_bin() -> None:
    trained = fit(np.random.default_rng(2))
    trained.cross_entropy[0, 0] = 3 * HISTOGRAM_MAX

    counts = loss_histograms(trained.cross_entropy, trained.active)

    for k in range(3):
        current = np.minimum(trained.cross_entropy[k][trained.active[k]], HISTOGRAM_MAX)
        expected, _ = np.histogram(current, bins=HISTOGRAM_BINS, range=(0.0, HISTOGRAM_MAX))
        np.testing.assert_array_equal(counts[k], expected)
    assert counts[0, -1] >= 1


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_in_use_that_is_no_number_is_told_and_another_is_not(value: float) -> None:
    random = np.random.default_rng(3)
    trained, (test, _) = fit(random), judged(random, 1)
    trained.active[1, 1], trained.active[2, 1] = True, False
    trained.cross_entropy[1:, 1] = value

    (_, diverged, well) = observe(trained, test, test, classes=CLASSES)
    counts = loss_histograms(trained.cross_entropy, trained.active)

    assert math.isnan(diverged.train_loss)
    assert math.isnan(diverged.loss_variance)
    assert math.isfinite(well.train_loss)
    assert counts[1, -1] == trained.active[1].sum()
    assert counts[2].sum() == trained.active[2].sum()


def test_the_loss_of_predictions_is_finite_where_the_true_class_has_probability_zero() -> None:
    probabilities = np.array([[0.5, 0.5], [1.0, 0.0]], dtype=np.float32)

    both = Judged.of([probabilities, probabilities], [np.array([0, 0]), np.array([1, 1])])

    assert both.losses().tolist() == pytest.approx([np.log(2) / 2, (np.log(2) + 126 * np.log(2)) / 2])


def test_without_samples_there_is_no_loss() -> None:
    nothing = Judged.of([np.empty((0, 2), np.float32)], [np.empty(0, np.int64)])

    assert math.isnan(nothing.losses()[0])
    assert not nothing.confusions(2).any()
