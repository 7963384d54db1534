"""Principal components: fitted on the given rows, and on nothing else."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from fer_sweep.data.cache import Cache
from fer_sweep.data.pictures import Pictures, digest_of, whole_boxes
from fer_sweep.errors import DataError
from fer_sweep.features.descriptors import describe
from fer_sweep.features.projection import Components, FloatArray, fit_projection, project
from fer_sweep.spec.trial import FeaturesConfig

RNG = np.random.default_rng(0)
BLOCKS = {
    "lpq": RNG.normal(size=(40, 30)).astype(np.float32),
    "phog": RNG.normal(size=(40, 50)).astype(np.float32),
}
TRAIN = np.arange(25)


def projected_by(blocks: Mapping[str, FloatArray], components: Components) -> FloatArray:
    return project(fit_projection(blocks, TRAIN, components), blocks)


def test_so_many_components_of_every_block_stand_side_by_side() -> None:
    projected = projected_by(BLOCKS, 5)

    assert projected.shape == (40, 10)
    np.testing.assert_allclose(projected[TRAIN].mean(axis=0), 0.0, atol=1e-5)


@pytest.mark.parametrize("components", [1, 5, 20, 0.5, 0.98])
@pytest.mark.parametrize("size", [20, 25, 400])
def test_projecting_is_what_scikit_learn_does(size: int, components: int | float) -> None:
    x = (RNG.normal(size=(40, size)) * RNG.random(size) + RNG.normal(size=(40, 1))).astype(np.float32)
    expected = PCA(components, svd_solver="full").fit(x[TRAIN].astype(np.float64)).transform(x)

    np.testing.assert_allclose(projected_by({"lpq": x}, components), expected, rtol=1e-5, atol=1e-5)


def test_axes_are_orthonormal_even_the_last() -> None:
    x = (RNG.normal(size=(40, 400)) * np.logspace(0, -6, 400)).astype(np.float32)
    axes = fit_projection({"lpq": x}, TRAIN, 24)["lpq"].axes

    np.testing.assert_allclose(axes @ axes.T, np.eye(24), atol=1e-9)


@pytest.mark.parametrize("size", [20, 400])
def test_where_nothing_varies_any_more_components_are_zero(size: int) -> None:
    x = (RNG.normal(size=(40, 3)) @ RNG.normal(size=(3, size))).astype(np.float32)
    x[TRAIN] = x[TRAIN][[0, 1, 2] * 8 + [0]]  # three pictures over and over: two components are all there is

    projected = projected_by({"lpq": x}, 10)

    assert (projected[:, 2:] == 0).all()
    assert (projected[:, :2].std(axis=0) > 0.1).all()


@pytest.mark.parametrize("components", [3, 0.9])
def test_descriptors_that_are_all_the_same_give_zeros(components: int | float) -> None:
    assert not projected_by({"lpq": np.ones((40, 30), dtype=np.float32)}, components).any()


def test_what_is_fitted_does_not_see_the_other_rows() -> None:
    changed = {name: x.copy() for name, x in BLOCKS.items()}
    for x in changed.values():
        x[25:] *= 100.0

    np.testing.assert_array_equal(projected_by(BLOCKS, 5)[TRAIN], projected_by(changed, 5)[TRAIN])


def test_a_share_of_variance_is_explained_by_as_few_components_as_can_be() -> None:
    projected = projected_by({"lpq": BLOCKS["lpq"]}, 0.9)
    kept = projected[TRAIN].var(axis=0).sum() / BLOCKS["lpq"][TRAIN].var(axis=0).sum()

    assert 0.9 <= kept <= 1.0
    assert projected.shape[1] < 24


def test_all_leaves_the_descriptors_as_they_are() -> None:
    np.testing.assert_array_equal(projected_by(BLOCKS, "all"), np.hstack([BLOCKS["lpq"], BLOCKS["phog"]]))


def test_more_components_than_there_are_is_an_error() -> None:
    with pytest.raises(DataError, match=r"features.components: 25 is more than lpq can give.* at most 24"):
        fit_projection(BLOCKS, TRAIN, 25)


def test_descriptors_are_computed_once_per_setting(tmp_path: Path) -> None:
    arrays = tuple(RNG.integers(0, 256, (40, 40, 3)).astype(np.uint8) for _ in range(3))

    cache = Cache(tmp_path)
    pictures = Pictures(arrays, tuple(map(digest_of, arrays)), whole_boxes([(40, 40)] * 3), cache)
    config = FeaturesConfig(size=32, lpq_grid=2, phog_levels=2)

    first = describe(pictures, config)
    again = describe(pictures, config.model_copy(update={"phog_bins": 8}))

    assert {name: x.shape for name, x in first.items()} == {"lpq": (3, 1024), "phog": (3, 16 * 21)}
    assert again["phog"].shape == (3, 8 * 21)
    np.testing.assert_array_equal(first["lpq"], again["lpq"])
    kinds = sorted(entry.kind for entry in cache.entries())
    assert kinds == ["grey", "lpq", "phog", "phog"]
