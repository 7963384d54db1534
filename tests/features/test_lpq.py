"""LPQ against the codes that GNU Octave computed with the logic of lpq.m, and by its properties."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_sweep.features.lpq import lpq_codes, lpq_histogram, whitening

Y, X = np.mgrid[0:32, 0:32]
PICTURES = {
    "img1": ((7 * Y + 13 * X + (X * Y) % 17 + (X * X + 3 * Y) % 11) % 256).astype(np.uint8),
    "img2": ((3 * X * X + 5 * Y * Y + 7 * X * Y + 11 * X) % 251).astype(np.uint8),
}
FIXTURES = Path(__file__).parents[3] / "shared" / "data" / "reference" / "lpq_phog_fixtures.json"


@pytest.fixture(scope="module")
def fixtures() -> dict[str, Any]:
    if not FIXTURES.is_file():
        pytest.skip(f"no reference fixtures at {FIXTURES}")
    loaded: dict[str, Any] = json.loads(FIXTURES.read_text())
    return loaded


@pytest.mark.parametrize(
    ("picture", "window", "count", "total", "row"),
    [
        ("img1", 3, 900, 122863, [211, 207, 23, 147, 91, 63, 151, 95]),
        ("img1", 5, 784, 99106, [199, 71, 63, 159, 159, 87, 87, 23]),
        ("img1", 7, 676, 90854, [223, 223, 95, 95, 31, 215, 87, 223]),
        ("img2", 7, 676, 88519, [143, 159, 31, 53, 245, 236, 216, 81]),
    ],
)
def test_decorrelated_codes_are_those_of_octave(
    picture: str, window: int, count: int, total: int, row: list[int]
) -> None:
    codes = lpq_codes(PICTURES[picture], window=window)

    assert codes.size == count
    assert codes.sum() == total
    assert codes[0, :8].tolist() == row


def test_all_decorrelated_fixtures_agree_code_by_code(fixtures: dict[str, Any]) -> None:
    compared = 0
    for name, expected in fixtures["lpq"].items():
        picture, window, decorrelated = name.split("_")
        if decorrelated == "decorr1":
            codes = lpq_codes(PICTURES[picture], window=int(window[3:]))
            assert np.bincount(codes.ravel(), minlength=256).tolist() == expected["hist"]
            assert codes[0].tolist() == expected["row0"]
            compared += 1
    assert compared == 8


def test_the_whitening_matrix_is_octaves(fixtures: dict[str, Any]) -> None:
    for window, expected in fixtures["lpq_V"].items():
        np.testing.assert_allclose(whitening(int(window)), expected, atol=1e-7)


def test_without_decorrelation_a_zero_response_is_no_bit_whatever_the_rounding() -> None:
    assert lpq_codes(np.full((20, 20), 200, dtype=np.uint8), decorrelate=False).max() == 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_codes_do_not_change_with_brightness(seed: int, offset: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 180, (24, 24)).astype(np.float64)

    different = lpq_codes(picture) != lpq_codes(picture + offset)

    assert different.mean() < 0.01  # a sum over the window is zero up to rounding


def test_most_codes_survive_a_symmetric_blur() -> None:
    """The phase of low frequencies does not change under a centrally symmetric blur (Ojansivu and Heikkila 2008)."""
    rng = np.random.default_rng(0)
    picture = np.cumsum(np.cumsum(rng.normal(size=(64, 64)), axis=0), axis=1)
    shifted = [np.roll(picture, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    blurred = np.mean(shifted, axis=0)

    bits = np.unpackbits((lpq_codes(picture) ^ lpq_codes(blurred))[2:-2, 2:-2])

    assert bits.mean() < 0.2


@given(st.integers(1, 6), st.integers(10, 40), st.integers(10, 40))
def test_the_histogram_of_every_cell_sums_to_one(grid: int, height: int, width: int) -> None:
    codes = np.random.default_rng(height * width).integers(0, 256, (height, width)).astype(np.uint8)

    cells = lpq_histogram(codes, grid=grid).reshape(-1, 256)

    assert cells.shape == (grid * grid, 256)
    np.testing.assert_allclose(cells.sum(axis=1), 1.0, rtol=1e-5)


def test_cells_lie_row_by_row() -> None:
    codes = np.zeros((4, 4), dtype=np.uint8)
    codes[:2, 2:] = 7

    cells = lpq_histogram(codes, grid=2).reshape(4, 256)

    assert cells[:, 7].tolist() == [0.0, 1.0, 0.0, 0.0]
