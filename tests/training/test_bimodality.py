"""The bimodality index against an exhaustive search, and on shapes whose answer is known."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from fer_sweep.training.bimodality import bimodality, bimodality_over_epochs, chance_level
from fer_sweep.training.records import HISTOGRAM_BINS
from tests.tracking.factories import svm_result, trial_result

Histogram = npt.NDArray[np.int32]


def histogram(losses: npt.NDArray[np.float64]) -> Histogram:
    counts = np.bincount(np.clip((losses * 10).astype(np.int64), 0, HISTOGRAM_BINS - 1), minlength=HISTOGRAM_BINS)
    return counts.astype(np.int32)[None]


def searched(shares: npt.NDArray[np.float64]) -> float:
    """The largest excess mass of a second interval, over all intervals and many densities."""
    bins = len(shares)
    intervals = list(combinations(range(bins + 1), 2))
    best = 0.0
    for density in np.geomspace(1e-4, 1.0, 2000):
        gain = {(a, b): shares[a:b].sum() - density * (b - a) for a, b in intervals}
        one = max(0.0, *gain.values())
        two = max(gain[i] + gain[j] for i in intervals for j in intervals if i[1] <= j[0])
        best = max(best, two - one)
    return best


@pytest.mark.parametrize(
    "counts", [[9, 1, 0, 4, 0], [5, 0, 5, 0, 0], [1, 4, 2, 3, 0], [8, 4, 2, 1, 0], [20, 0, 0, 1, 0]]
)
def test_the_index_is_what_an_exhaustive_search_finds(counts: list[int]) -> None:
    padded = np.array([counts], dtype=np.int32)

    assert bimodality(padded)[0] == pytest.approx(searched(padded[0] / sum(counts)), rel=0.04, abs=1e-3)


def test_two_equal_modes_far_apart_have_half_of_the_samples_in_the_second() -> None:
    losses = np.concatenate([np.full(100, 0.05), np.full(100, 5.05)])

    assert bimodality(histogram(losses))[0] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("scale", [0.01, 0.3, 1.0, 5.0])
def test_a_single_mode_is_none_however_skewed_it_is(scale: float) -> None:
    losses = np.random.default_rng(0).exponential(scale, 300)

    assert bimodality(histogram(losses))[0] < chance_level(300)


def test_losses_beyond_the_last_bin_are_no_mode_for_being_counted_together() -> None:
    losses = np.linspace(0.0, 20.0, 400)

    assert bimodality(histogram(losses))[0] < 0.02


def test_hard_samples_that_stay_behind_are_a_second_mode() -> None:
    random = np.random.default_rng(0)
    shares = [0.05, 0.1, 0.2, 0.4]
    found = []
    for share in shares:
        losses = np.concatenate([random.exponential(0.2, 1000), random.normal(4, 0.4, int(1000 * share))])
        found.append(bimodality(histogram(losses))[0])

    assert found == sorted(found)
    assert all(share / 4 < index < share for share, index in zip(shares, found, strict=True))


def test_one_mode_exceeds_the_chance_level_in_five_per_cent_of_all_cases() -> None:
    uniform = np.random.default_rng(0).multinomial(337, np.full(59, 1 / 59), size=2000)
    histograms = np.pad(uniform, ((0, 0), (0, 1))).astype(np.int32)

    assert 0.03 < (bimodality(histograms) >= chance_level(337)).mean() < 0.07


def test_networks_of_a_trial_are_compared_at_equal_epochs() -> None:
    networks = trial_result().networks

    epochs, index = bimodality_over_epochs((*networks, *svm_result().networks))

    assert index.shape == (4, len(epochs))
    assert epochs[-1] == networks[0].epochs > networks[3].epochs
    assert (index[3, epochs >= networks[3].epochs] == bimodality(networks[3].histograms)[-1]).all()
    assert index[:, 0].max() < chance_level(networks[0].train_size) < index.max()
    assert bimodality_over_epochs(svm_result().networks)[1].size == 0
