"""What models are fed with: computed once, and nothing of the test side in it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fer_sweep.data import Samples, load_samples, make_split
from fer_sweep.data.cache import Cache
from fer_sweep.features.descriptors import Descriptors
from fer_sweep.features.projection import Components, FloatArray, Projection, project
from fer_sweep.spec.data import SyntheticFaces
from fer_sweep.spec.trial import FeaturesConfig, TrialConfig
from fer_sweep.training import inputs as module
from fer_sweep.training.inputs import Inputs

DATA = SyntheticFaces(source="synthetic_faces", samples=56, persons=8, size=32)


def configured(components: Components, fit_on: str = "train") -> TrialConfig:
    features = FeaturesConfig.model_validate(
        {"size": 32, "lpq_grid": 2, "phog_levels": 1, "components": components, "fit_on": fit_on}
    )
    return TrialConfig(data=DATA, features=features)


def inputs_of(samples: Samples) -> Inputs:
    return Inputs(samples, make_split(samples, configured(5).protocol), device=torch.device("cpu"))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return load_samples(DATA, Cache(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("components", [4, 0.8])
def test_components_of_a_fold_are_computed_once(
    samples: Samples, monkeypatch: pytest.MonkeyPatch, components: Components
) -> None:
    first = inputs_of(samples).folds(configured(components))

    def computing(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(module, "fit_projection", computing)
    again = inputs_of(samples).folds(configured(components))

    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.train.x, other.train.x)
        np.testing.assert_array_equal(one.test.x, other.test.x)


def test_components_do_not_depend_on_the_cache(samples: Samples) -> None:
    uncached = replace(samples, x=replace(samples.pictures, cache=None))

    remembered, computed = (inputs_of(given).folds(configured(3)) for given in (samples, uncached))

    for one, other in zip(remembered, computed, strict=True):
        np.testing.assert_array_equal(one.train.x, other.train.x)


@pytest.mark.parametrize(("components", "fit_on", "times"), [(3, "train", 2), (3, "all", 1), ("all", "train", 1)])
def test_trials_of_a_batch_share_what_they_are_fed_with(
    samples: Samples, monkeypatch: pytest.MonkeyPatch, components: Components, fit_on: str, times: int
) -> None:
    inputs, calls = inputs_of(replace(samples, x=replace(samples.pictures, cache=None))), 0

    def counting(projection: Projection, blocks: Descriptors) -> FloatArray:
        nonlocal calls
        calls += 1
        return project(projection, blocks)

    monkeypatch.setattr(module, "project", counting)

    for _ in range(3):
        inputs.folds(configured(components, fit_on))

    assert calls == times


def test_every_fold_has_axes_of_its_own_training_part_unless_told_otherwise(samples: Samples) -> None:
    inputs, split = inputs_of(samples), make_split(samples, configured(5).protocol)

    def likeness(fit_on: str) -> float:
        """Cosine of the angle between the first axes of the two folds."""
        one, other = (inputs.projection(configured(2, fit_on), fold) for fold in split.folds[:2])
        assert one is not None
        assert other is not None
        return float(np.abs(one["lpq"].axes[0] @ other["lpq"].axes[0]))

    assert likeness("train") < 0.99
    assert likeness("all") == pytest.approx(1.0)
