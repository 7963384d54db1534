"""Synthetic features: balanced, deterministic, with wrong labels that are known exactly."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_sweep.data import Samples, load_samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import SyntheticFeatures


def make(**options: Any) -> Samples:
    return load_samples(SyntheticFeatures(source="synthetic_features", **options))


@settings(max_examples=25, deadline=None)
@given(
    samples=st.integers(60, 400),
    persons=st.integers(4, 40),
    features=st.integers(2, 12),
    wrong=st.floats(0.0, 0.5),
    seed=st.integers(0, 2**63 - 1),
)
def test_planted_labels_are_exactly_those_that_differ_from_the_truth(
    samples: int, persons: int, features: int, wrong: float, seed: int
) -> None:
    shape = {"samples": samples, "persons": persons, "features": features, "seed": seed}
    noisy, clean = make(wrong_labels=wrong, **shape), make(**shape)
    assert noisy.planted is not None
    assert noisy.planted.sum() == round(wrong * samples)
    np.testing.assert_array_equal(noisy.y != clean.y, noisy.planted)
    np.testing.assert_array_equal(noisy.x, clean.x)
    assert set(noisy.y.tolist()) <= set(range(7))
    assert np.ptp(np.bincount(clean.y, minlength=7)) <= 1
    assert np.ptp(np.bincount(clean.person, minlength=persons)) <= 1


def test_same_settings_give_the_same_samples_and_another_seed_does_not() -> None:
    assert make(wrong_labels=0.1).fingerprint == make(wrong_labels=0.1).fingerprint
    assert make(seed=1).fingerprint != make(seed=2).fingerprint


def test_every_person_shows_several_expressions() -> None:
    samples = make()
    assert all(len(set(samples.y[samples.person == p].tolist())) == 7 for p in range(42))


def test_class_means_lie_separation_apart_and_noise_has_unit_variance() -> None:
    samples = make(samples=14_000, persons=1000, separation=4.0, person_spread=0.0)
    means = np.array([samples.features[samples.y == c].mean(axis=0) for c in range(7)])
    distances = np.linalg.norm(means[:, None] - means, axis=2)[~np.eye(7, dtype=bool)]
    np.testing.assert_allclose(distances, 4.0, atol=0.15)
    assert (samples.features - means[samples.y]).std() == pytest.approx(1.0, abs=0.02)


def test_persons_differ_by_their_spread() -> None:
    samples = make(samples=14_000, persons=140, separation=0.0, person_spread=3.0)
    means = np.array([samples.features[samples.person == p].mean(axis=0) for p in range(140)])
    assert means.std() == pytest.approx(3.0, abs=0.3)


def test_wrong_labels_spread_over_all_other_classes_and_are_warned_of() -> None:
    samples, clean = make(samples=7000, wrong_labels=0.5), make(samples=7000)
    shift = (samples.y - clean.y)[samples.planted] % 7
    counts = np.bincount(shift, minlength=7)
    assert counts[0] == 0
    assert counts[1:].min() > 480
    assert samples.warnings == (
        "3500 of 7000 labels are wrong on purpose, on the test side too, which limits every score.",
    )


def test_more_persons_than_samples_is_refused() -> None:
    with pytest.raises(DataError, match=r"data\.persons: 50 is more than data\.samples: 28"):
        make(samples=28, persons=50)
