"""PHOG against the numbers that Octave and numpy computed with the logic of anna_phog.m, and by its properties."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import minimum_filter
from skimage.feature import canny
from skimage.filters import gaussian, sobel

from fer_sweep.features.phog import canny_edges, phog, phog_length

Y, X = np.mgrid[0:32, 0:32]
PICTURE = ((3 * X * X + 5 * Y * Y + 7 * X * Y + 11 * X) % 251).astype(np.uint8)
EDGES = (X + 2 * Y) % 3 == 0


@pytest.mark.parametrize(
    ("bins", "levels", "angle", "length", "dot"),
    [
        (8, 3, 360, 680, 141.2363567641),
        (8, 3, 180, 680, 141.6581744282),
        (9, 2, 180, 189, 50.1079941689),
        (20, 3, 180, 1700, 354.8463735447),
        (16, 4, 360, 5456, 922.4510797452),
    ],
)
def test_descriptors_are_those_of_the_reference(
    bins: int, levels: int, angle: Literal[180, 360], length: int, dot: float
) -> None:
    descriptor = phog(PICTURE, EDGES, bins=bins, levels=levels, angle=angle).astype(np.float64)

    assert len(descriptor) == length == phog_length(bins, levels)
    assert descriptor @ np.arange(length) == pytest.approx(dot, rel=1e-6)


def test_the_first_values_are_those_of_the_reference() -> None:
    expected = [0.0451167, 0.0178780, 0.0452661, 0.0396863, 0.0209047, 0.0451654, 0.0234925, 0.0124903]

    np.testing.assert_allclose(phog(PICTURE, EDGES, bins=8, levels=3)[:8], expected, atol=1e-7)


def test_a_blank_picture_and_one_without_edges_give_zeros() -> None:
    assert not phog(np.zeros((16, 16), dtype=np.uint8), np.ones((16, 16), dtype=bool), levels=2).any()
    assert not phog(np.full((16, 16), 90, dtype=np.uint8), np.zeros((16, 16), dtype=bool), levels=2).any()


@given(st.integers(0, 2**32 - 1), st.integers(2, 20), st.integers(0, 3))
def test_the_whole_vector_sums_to_one_and_each_level_to_its_share(seed: int, bins: int, levels: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (16, 16)).astype(np.uint8)

    descriptor = phog(picture, np.ones((16, 16), dtype=bool), bins=bins, levels=levels)

    np.testing.assert_allclose(descriptor.sum(), 1.0, rtol=1e-5)
    np.testing.assert_allclose(descriptor[:bins].sum(), 1.0 / (levels + 1), rtol=1e-4)


def test_brightness_does_not_matter() -> None:
    darker = (PICTURE // 2).astype(np.uint8)

    np.testing.assert_allclose(phog(darker, EDGES), phog(darker + np.uint8(40), EDGES), atol=1e-7)


def test_a_vertical_step_is_one_edge_with_one_direction() -> None:
    picture = np.zeros((32, 32), dtype=np.uint8)
    picture[:, 16:] = 200

    edges = canny_edges(picture)
    descriptor = phog(picture, edges, bins=4, levels=0)

    assert set(np.flatnonzero(edges.any(axis=0))) <= {15, 16}
    assert edges[4:-4].any(axis=1).all()
    assert descriptor.max() == pytest.approx(1.0)


def test_a_flat_picture_has_no_edges() -> None:
    assert not canny_edges(np.full((20, 20), 77, dtype=np.uint8)).any()


def test_edges_are_about_those_of_scikit_image() -> None:
    """Another implementation with the same smoothing; its thresholds are set to what MATLAB's rule gives here."""
    rng = np.random.default_rng(0)
    smooth = gaussian(rng.normal(size=(96, 96)), 4)  # type: ignore[no-untyped-call]
    picture = ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)
    blurred = gaussian(picture.astype(float), np.sqrt(2))  # type: ignore[no-untyped-call]
    magnitude = np.hypot(*(sobel(blurred, axis=axis) for axis in (0, 1)))  # type: ignore[no-untyped-call]
    high = float(np.quantile(magnitude, 0.7))

    thresholds = {"low_threshold": 0.4 * high, "high_threshold": high}
    theirs = canny(picture.astype(float), sigma=np.sqrt(2), **thresholds)  # type: ignore[no-untyped-call]
    ours = canny_edges(picture)

    near = minimum_filter(~theirs, 3)
    assert (ours & near).sum() < 0.1 * ours.sum()
    assert 0.7 < ours.sum() / theirs.sum() < 1.4
