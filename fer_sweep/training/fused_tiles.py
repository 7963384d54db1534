"""Arithmetic on tiles of samples, compiled: what the fused kernel is made of.

Samples lie in tiles of TILE columns, with one row per feature, hidden unit or class, so that every inner loop runs over
neighbouring samples and vectorizes whatever the widths are. Rows are worked on two by four: eight weights, or eight
sums, are what 16 vector registers (AVX2) hold besides the operands.

Fast-math goes without `nnan` and `ninf`: a diverged network must say so.
"""

# ruff: noqa: PLR0917 (compiled functions take plain arrays and numbers, many of them, and a keyword costs as much to read)

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

TILE = 384
"""Samples per tile. Rows of one tile (features, errors, two hidden units) should about fit a 32 KiB L1 cache, but be
long, because every eight sums over them end in a reduction that does not vectorize."""
ROW_STEP = 16
"""Rows are filled in steps of this many samples: two AVX2 vectors, so that no loop has a scalar rest."""

Floats = npt.NDArray[np.float32]

ZERO, ONE = np.float32(0.0), np.float32(1.0)
# exp as in Cephes (Moshier 1992), expf.c: exp(x) = 2**k * exp(r), r = x - k log 2 in [-0.35, 0.35], a polynomial in r
_LOWEST, _LOG2_E = np.float32(-87.0), np.float32(1.44269504088896341)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_ROUNDER = np.float32(12582912.0)  # 1.5 * 2**23: adding it leaves the nearest integer in the last bits
_E7, _E6, _E5 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
_E4, _E3, _E2 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
_BIAS, _MANTISSA = np.int32(127), np.int32(23)

P = ParamSpec("P")
R = TypeVar("R")


def compiled(*fastmath: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Numba's njit, which keeps compiled code beside this file, or in the user's cache folder where that is read-only,
    or, where there is neither, nowhere."""
    flags = {"contract", *fastmath}

    def compile_lazily(function: Callable[P, R]) -> Callable[P, R]:
        try:
            return njit(cache=True, nogil=True, error_model="numpy", fastmath=flags)(function)
        except RuntimeError:  # "cannot cache function: no locator available"
            return njit(nogil=True, error_model="numpy", fastmath=flags)(function)

    return compile_lazily


@compiled()  # reassociation would fold the rounding trick away
def exp(x: np.float32) -> np.float32:
    """exp(x) for x <= 0 to 1e-7 relative; 1.6e-38 below -87. Vectorizes, which libm's does not; NaN stays NaN."""
    x = _LOWEST if x < _LOWEST else x
    shifted = np.float32(x * _LOG2_E + _ROUNDER)
    k = shifted - _ROUNDER
    r = x - k * _LN2_HIGH - k * _LN2_LOW
    series = ((((_E7 * r + _E6) * r + _E5) * r + _E4) * r + _E3) * r + _E2
    power = np.int32((shifted.view(np.int32) + _BIAS) << _MANTISSA).view(np.float32)
    return (series * r * r + r + ONE) * power


@compiled("reassoc", "nsz")
def mix(out: Floats, o: int, a: Floats, i: int, w: Floats, at: int, down: int, along: int, m: int) -> None:
    """Two rows of `out` from o += (2, 4) weights times four rows of `a` from i. Weight (r, c) is
    w[at + r * down + c * along]."""
    w00, w01, w02, w03 = w[at], w[at + along], w[at + 2 * along], w[at + 3 * along]
    at += down
    w10, w11, w12, w13 = w[at], w[at + along], w[at + 2 * along], w[at + 3 * along]
    out, a = out[o : o + 2 * TILE], a[i : i + 4 * TILE]  # indices from 0 are known not to be negative
    for t in range(m):
        a0, a1, a2, a3 = a[t], a[TILE + t], a[2 * TILE + t], a[3 * TILE + t]
        out[t] += w00 * a0 + w01 * a1 + w02 * a2 + w03 * a3
        out[TILE + t] += w10 * a0 + w11 * a1 + w12 * a2 + w13 * a3


@compiled()
def fill(row: Floats, value: np.float32) -> None:
    """A loop that vectorizes, unlike the assignment to a slice."""
    for t in range(len(row)):
        row[t] = value


@compiled("reassoc", "nsz")
def sum_products(g: Floats, at: int, down: int, along: int, a: Floats, i: int, b: Floats, j: int, m: int) -> None:
    """g[at + r * down + c * along] += (row r of `a` from i) . (row c of `b` from j), for two rows by four."""
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = ZERO
    a, b = a[i : i + 2 * TILE], b[j : j + 4 * TILE]
    for t in range(m):
        b0, b1, b2, b3 = b[t], b[TILE + t], b[2 * TILE + t], b[3 * TILE + t]
        a0, a1 = a[t], a[TILE + t]
        s00, s01, s02, s03 = s00 + a0 * b0, s01 + a0 * b1, s02 + a0 * b2, s03 + a0 * b3
        s10, s11, s12, s13 = s10 + a1 * b0, s11 + a1 * b1, s12 + a1 * b2, s13 + a1 * b3
    for column, upper, lower in ((0, s00, s10), (1, s01, s11), (2, s02, s12), (3, s03, s13)):
        g[at + column * along] += upper
        g[at + down + column * along] += lower


@compiled()
def tiling(n: int) -> tuple[int, int]:
    """(tiles, rows): n samples in tiles of equally many, a multiple of ROW_STEP and at most TILE."""
    tiles = max(1, -(-n // TILE))
    return tiles, -(-n // (tiles * ROW_STEP)) * ROW_STEP


@compiled()
def rectify(units: Floats) -> None:
    """ReLU by a factor of 0 or 1, which leaves NaN as it is. A choice between 0 and the unit itself would be compiled
    to a conditional store, which is ten times slower."""
    for t in range(len(units)):
        units[t] *= ZERO if units[t] < ZERO else ONE


@compiled("reassoc", "nsz")
def softmax(z: Floats, top: Floats, total: Floats, classes: int, m: int) -> None:
    """Logits (C, TILE) become exp(logit - top), where `top` is the largest of a sample and `total` their sum."""
    for t in range(m):
        top[t], total[t] = z[t], ZERO
    for k in range(1, classes):
        row = z[k * TILE : k * TILE + m]
        for t in range(m):
            top[t] = max(top[t], row[t])
    for k in range(classes):
        row = z[k * TILE : k * TILE + m]
        for t in range(m):
            row[t] = exp(row[t] - top[t])
            total[t] += row[t]
