"""The compiled half of the fused engine: one network with one hidden layer, trained on the full batch by one CPU core.

Arrays are flat float32. Samples lie in tiles of TILE columns, with one row per feature, hidden unit or class, so that
every inner loop runs over neighbouring samples and vectorizes whatever the widths are. Rows are worked on two by four:
eight weights, or eight sums, are what 16 vector registers (AVX2) hold besides the operands.

Widths are padded to multiples of four with weights of zero, which stay zero: an idle hidden unit has activation zero
and no outgoing weights, so all its gradients are zero; idle features are zero, and idle classes have error zero.

Shape letters: D features, H hidden units, C classes, all padded; `classes` is the true number.
    weights = hidden (H, D) | hidden bias (H,) | output (C, H) | output bias (C,)

Fast-math goes without `nnan` and `ninf`: a diverged network must say so.
"""

# ruff: noqa: PLR0917 (compiled functions take plain arrays and numbers, many of them, and a keyword costs as much to read)

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

from fer_sweep.training.flat_optimizer import BETA_1, BETA_2, EPSILON

TILE = 384
"""Samples per tile. Rows of one tile (features, errors, two hidden units) should about fit a 32 KiB L1 cache, but be
long, because every eight sums over them end in a reduction that does not vectorize."""
ROW_STEP = 16
"""Rows are filled in steps of this many samples: two AVX2 vectors, so that no loop has a scalar rest."""
SGD, ADAM, ADAMW = 0, 1, 2

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Rates = npt.NDArray[np.float64]

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_REST_1, _REST_2, _BETA_2, _EPSILON = (np.float32(v) for v in (1.0 - BETA_1, 1.0 - BETA_2, BETA_2, EPSILON))
# exp as in Cephes (Moshier 1992), expf.c: exp(x) = 2**k * exp(r), r = x - k log 2 in [-0.35, 0.35], a polynomial in r
_LOWEST, _LOG2_E = np.float32(-87.0), np.float32(1.44269504088896341)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_ROUNDER = np.float32(12582912.0)  # 1.5 * 2**23: adding it leaves the nearest integer in the last bits
_E7, _E6, _E5 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
_E4, _E3, _E2 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
_BIAS, _MANTISSA = np.int32(127), np.int32(23)

P = ParamSpec("P")
R = TypeVar("R")


def _compiled(*fastmath: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Numba's njit, which keeps compiled code beside this file, or in the user's cache folder where that is read-only,
    or, where there is neither, nowhere."""
    flags = {"contract", *fastmath}

    def compile_lazily(function: Callable[P, R]) -> Callable[P, R]:
        try:
            return njit(cache=True, nogil=True, error_model="numpy", fastmath=flags)(function)
        except RuntimeError:  # "cannot cache function: no locator available"
            return njit(nogil=True, error_model="numpy", fastmath=flags)(function)

    return compile_lazily


@_compiled()  # reassociation would fold the rounding trick away
def _exp(x: np.float32) -> np.float32:
    """exp(x) for x <= 0 to 1e-7 relative; 1.6e-38 below -87. Vectorizes, which libm's does not; NaN stays NaN."""
    x = _LOWEST if x < _LOWEST else x
    shifted = np.float32(x * _LOG2_E + _ROUNDER)
    k = shifted - _ROUNDER
    r = x - k * _LN2_HIGH - k * _LN2_LOW
    series = ((((_E7 * r + _E6) * r + _E5) * r + _E4) * r + _E3) * r + _E2
    power = np.int32((shifted.view(np.int32) + _BIAS) << _MANTISSA).view(np.float32)
    return (series * r * r + r + _ONE) * power


@_compiled("reassoc", "nsz")
def _mix(out: Floats, o: int, a: Floats, i: int, w: Floats, at: int, down: int, along: int, m: int) -> None:
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


@_compiled()
def _fill(row: Floats, value: np.float32) -> None:
    """A loop that vectorizes, unlike the assignment to a slice."""
    for t in range(len(row)):
        row[t] = value


@_compiled("reassoc", "nsz")
def _sum_products(g: Floats, at: int, down: int, along: int, a: Floats, i: int, b: Floats, j: int, m: int) -> None:
    """g[at + r * down + c * along] += (row r of `a` from i) . (row c of `b` from j), for two rows by four."""
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = _ZERO
    a, b = a[i : i + 2 * TILE], b[j : j + 4 * TILE]
    for t in range(m):
        b0, b1, b2, b3 = b[t], b[TILE + t], b[2 * TILE + t], b[3 * TILE + t]
        a0, a1 = a[t], a[TILE + t]
        s00, s01, s02, s03 = s00 + a0 * b0, s01 + a0 * b1, s02 + a0 * b2, s03 + a0 * b3
        s10, s11, s12, s13 = s10 + a1 * b0, s11 + a1 * b1, s12 + a1 * b2, s13 + a1 * b3
    for column, upper, lower in ((0, s00, s10), (1, s01, s11), (2, s02, s12), (3, s03, s13)):
        g[at + column * along] += upper
        g[at + down + column * along] += lower


@_compiled()
def tiling(n: int) -> tuple[int, int]:
    """(tiles, rows): n samples in tiles of equally many, a multiple of ROW_STEP and at most TILE."""
    tiles = max(1, -(-n // TILE))
    return tiles, -(-n // (tiles * ROW_STEP)) * ROW_STEP


@_compiled()
def _rectify(units: Floats) -> None:
    """ReLU by a factor of 0 or 1, which leaves NaN as it is. A choice between 0 and the unit itself would be compiled
    to a conditional store, which is ten times slower."""
    for t in range(len(units)):
        units[t] *= _ZERO if units[t] < _ZERO else _ONE


@_compiled("reassoc", "nsz")
def _forward(
    weights: Floats, x: Floats, at: int, hidden: Floats, logits: Floats, d: int, h: int, c: int, m: int
) -> None:
    """Hidden activations (H, TILE) and logits (C, TILE) of the first m columns of the tile that begins at x[at]."""
    output = h * d + h
    for k in range(c):
        _fill(logits[k * TILE : k * TILE + m], weights[output + c * h + k])
    for j in range(0, h, 4):
        for row in range(j, j + 4):
            _fill(hidden[row * TILE : row * TILE + m], weights[h * d + row])
        for row in (j, j + 2):
            for i in range(0, d, 4):
                _mix(hidden, row * TILE, x, at + i * TILE, weights, row * d + i, d, 1, m)
        for row in range(j, j + 4):
            _rectify(hidden[row * TILE : row * TILE + m])
        for k in range(0, c, 2):
            _mix(logits, k * TILE, hidden, j * TILE, weights, output + k * h + j, h, 1, m)


@_compiled("reassoc", "nsz")
def _softmax(z: Floats, top: Floats, total: Floats, classes: int, m: int) -> None:
    """Logits (C, TILE) become exp(logit - top), where `top` is the largest of a sample and `total` their sum."""
    for t in range(m):
        top[t], total[t] = z[t], _ZERO
    for k in range(1, classes):
        row = z[k * TILE : k * TILE + m]
        for t in range(m):
            top[t] = max(top[t], row[t])
    for k in range(classes):
        row = z[k * TILE : k * TILE + m]
        for t in range(m):
            row[t] = _exp(row[t] - top[t])
            total[t] += row[t]


@_compiled("reassoc", "nsz")
def _errors(z: Floats, y: Integers, scale: np.float32, losses: Floats, scratch: Floats, classes: int, m: int) -> None:
    """Logits of len(y) samples become the gradient of their scaled cross-entropy, and `losses` that cross-entropy.
    scratch: 3 rows; columns from len(y) to m are padding and get gradient zero."""
    n = len(y)
    top, total, own = scratch[:TILE], scratch[TILE : 2 * TILE], scratch[2 * TILE :]
    for t in range(n):
        own[t] = z[y[t] * TILE + t]
    _softmax(z, top, total, classes, m)
    for t in range(n):
        losses[t] = np.log(total[t]) + (top[t] - own[t])
        total[t] = scale / total[t]
    _fill(total[n:m], _ZERO)
    for k in range(classes):
        row = z[k * TILE : k * TILE + m]
        for t in range(m):
            row[t] *= total[t]
    for t in range(n):
        z[y[t] * TILE + t] -= scale


@_compiled("reassoc", "nsz")
def _block(back: Floats, units: Floats) -> np.float32:
    """Let the gradient pass where the unit is active only. Returns its sum."""
    total = _ZERO
    for t in range(len(back)):
        back[t] *= _ZERO if units[t] <= _ZERO else _ONE
        total += back[t]
    return total


@_compiled("reassoc", "nsz")
def _backward(
    weights: Floats, gradient: Floats, x: Floats, at: int, hidden: Floats, z: Floats, back: Floats,
    d: int, h: int, c: int, m: int,
) -> None:  # fmt: skip
    """Add one tile's gradient. z: (C, TILE) gradient of the logits; back: room for (2, TILE)."""
    output = h * d + h
    for k in range(c):
        total = _ZERO
        for value in z[k * TILE : k * TILE + m]:
            total += value
        gradient[output + c * h + k] += total
    for j in range(0, h, 2):
        _fill(back[:m], _ZERO)
        _fill(back[TILE : TILE + m], _ZERO)
        for k in range(0, c, 4):
            _mix(back, 0, z, k * TILE, weights, output + k * h + j, 1, h, m)
            _sum_products(gradient, output + k * h + j, 1, h, hidden, j * TILE, z, k * TILE, m)
        for row in range(2):
            gradient[h * d + j + row] += _block(
                back[row * TILE : row * TILE + m], hidden[(j + row) * TILE : (j + row) * TILE + m]
            )
        for i in range(0, d, 4):
            _sum_products(gradient, j * d + i, d, 1, back, 0, x, at + i * TILE, m)


@_compiled("reassoc", "nsz", "arcp")
def _update(
    w: Floats, g: Floats, moment: Floats, square: Floats, optimizer: int, rate: float, momentum: float, decay: float,
    step: int,
) -> None:  # fmt: skip
    """One step of the optimizer as torch.optim defines it. step: 1 for the first."""
    if decay > 0.0:  # AdamW shrinks the weights themselves, the others add the decay to the gradient
        rest, share = (1.0 - rate * decay, 0.0) if optimizer == ADAMW else (1.0, decay)
        for i in range(len(w)):
            g[i] += np.float32(share) * w[i]
            w[i] *= np.float32(rest)
    if optimizer == SGD:
        kept, size = np.float32(momentum), np.float32(rate)
        for i in range(len(w)):
            moment[i] = kept * moment[i] + g[i]
            w[i] -= size * moment[i]
    else:  # the corrections in double: in float32, 1 - 0.999**1 is off by 5e-5, which would soon show in the losses
        size = np.float32(rate / (1.0 - BETA_1**step))
        scale = np.float32(1.0 / np.sqrt(1.0 - BETA_2**step))
        for i in range(len(w)):
            moment[i] += _REST_1 * (g[i] - moment[i])
            square[i] = _BETA_2 * square[i] + _REST_2 * (g[i] * g[i])
            w[i] -= size * moment[i] / (np.sqrt(square[i]) * scale + _EPSILON)


@_compiled("reassoc", "nsz")
def _record(losses: Floats, history: Floats, column: int) -> None:
    """Mean and variance (population) of the losses, summed in double precision."""
    mean, variance = 0.0, 0.0
    for loss in losses:
        mean += np.float64(loss)
    mean /= len(losses)
    for loss in losses:
        variance += (np.float64(loss) - mean) ** 2
    history[0, column], history[1, column] = mean, variance / len(losses)


@_compiled()
def train(
    weights: Floats, moment: Floats, square: Floats, x: Floats, y: Integers, shape: tuple[int, int, int, int],
    optimizer: int, rates: Rates, momentum: float, decay: float, history: Floats, begin: int, epochs: int,
) -> None:  # fmt: skip
    """Train one network for `epochs` epochs after the first `begin`. x: tiles of the active samples, as `tiling` says;
    y: (n,) their classes; shape: D, H, C, classes; history: (2, at least begin + epochs), a column per epoch."""
    d, h, c, classes = shape
    n = len(y)
    tiles, rows = tiling(n)
    gradient, losses = np.empty_like(weights), np.empty(n, np.float32)
    hidden, z = np.empty(h * TILE, np.float32), np.empty(c * TILE, np.float32)
    back, scratch = np.empty(2 * TILE, np.float32), np.empty(3 * TILE, np.float32)
    scale = np.float32(1.0 / n)
    for epoch in range(begin, begin + epochs):
        _fill(gradient, _ZERO)
        for tile in range(tiles):
            at, first, last = tile * d * TILE, min(n, tile * rows), min(n, (tile + 1) * rows)
            _forward(weights, x, at, hidden, z, d, h, c, rows)
            _errors(z, y[first:last], scale, losses[first:last], scratch, classes, rows)
            _backward(weights, gradient, x, at, hidden, z, back, d, h, c, rows)
        _record(losses, history, epoch)
        _update(weights, gradient, moment, square, optimizer, rates[epoch], momentum, decay, epoch + 1)


@_compiled()
def log_probabilities(weights: Floats, x: Floats, n: int, shape: tuple[int, int, int, int]) -> Floats:
    """(n, classes) logarithms of the class probabilities of the n samples in the tiles `x`."""
    d, h, c, classes = shape
    tiles, rows = tiling(n)
    result = np.empty((n, classes), np.float32)
    hidden, z, powers = np.empty(h * TILE, np.float32), np.empty(c * TILE, np.float32), np.empty(c * TILE, np.float32)
    top, total = np.empty(TILE, np.float32), np.empty(TILE, np.float32)
    for tile in range(tiles):
        _forward(weights, x, tile * d * TILE, hidden, z, d, h, c, rows)
        for t in range(len(z)):
            powers[t] = z[t]
        _softmax(powers, top, total, classes, rows)
        for t in range(min(rows, n - tile * rows)):
            shift = top[t] + np.log(total[t])
            for k in range(classes):
                result[tile * rows + t, k] = z[k * TILE + t] - shift
    return result
