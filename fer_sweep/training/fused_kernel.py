"""The compiled half of the fused engine: one network with one hidden layer, trained on the full batch by one CPU core.

Arrays are flat float32, samples lie in the tiles of fused_tiles.py. Widths are padded to multiples of four with weights
of zero, which stay zero: an idle hidden unit has activation zero and no outgoing weights, so all its gradients are
zero; idle features are zero, and idle classes have error zero.

Shape letters: D features, H hidden units, C classes, all padded; `classes` is the true number.
    weights = hidden (H, D) | hidden bias (H,) | output (C, H) | output bias (C,)
"""

# ruff: noqa: PLR0917 (compiled functions take plain arrays and numbers, many of them, and a keyword costs as much to read)

import numpy as np
import numpy.typing as npt

from fer_sweep.training.flat_optimizer import BETA_1, BETA_2, EPSILON
from fer_sweep.training.fused_tiles import (
    ONE,
    TILE,
    ZERO,
    Floats,
    compiled,
    fill,
    mix,
    rectify,
    softmax,
    sum_products,
    tiling,
)

SGD, ADAM, ADAMW = 0, 1, 2

Integers = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

_REST_1, _REST_2, _BETA_2, _EPSILON = (np.float32(v) for v in (1.0 - BETA_1, 1.0 - BETA_2, BETA_2, EPSILON))


@compiled("reassoc", "nsz")
def _forward(
    weights: Floats, x: Floats, at: int, hidden: Floats, logits: Floats, d: int, h: int, c: int, m: int
) -> None:
    """Hidden activations (H, TILE) and logits (C, TILE) of the first m columns of the tile that begins at x[at]."""
    output = h * d + h
    for k in range(c):
        fill(logits[k * TILE : k * TILE + m], weights[output + c * h + k])
    for j in range(0, h, 4):
        for row in range(j, j + 4):
            fill(hidden[row * TILE : row * TILE + m], weights[h * d + row])
        for row in (j, j + 2):
            for i in range(0, d, 4):
                mix(hidden, row * TILE, x, at + i * TILE, weights, row * d + i, d, 1, m)
        for row in range(j, j + 4):
            rectify(hidden[row * TILE : row * TILE + m])
        for k in range(0, c, 2):
            mix(logits, k * TILE, hidden, j * TILE, weights, output + k * h + j, h, 1, m)


@compiled("reassoc", "nsz")
def _errors(z: Floats, y: Integers, scale: np.float32, losses: Floats, scratch: Floats, classes: int, m: int) -> None:
    """Logits of len(y) samples become the gradient of their scaled cross-entropy, and `losses` that cross-entropy.
    scratch: 3 rows; columns from len(y) to m are padding and get gradient zero."""
    n = len(y)
    top, total, own = scratch[:TILE], scratch[TILE : 2 * TILE], scratch[2 * TILE :]
    for t in range(n):
        own[t] = z[y[t] * TILE + t]
    softmax(z, top, total, classes, m)
    for t in range(n):
        losses[t] = np.log(total[t]) + (top[t] - own[t])
        total[t] = scale / total[t]
    fill(total[n:m], ZERO)
    for k in range(classes):
        row = z[k * TILE : k * TILE + m]
        for t in range(m):
            row[t] *= total[t]
    for t in range(n):
        z[y[t] * TILE + t] -= scale


@compiled("reassoc", "nsz")
def _block(back: Floats, units: Floats) -> np.float32:
    """Let the gradient pass where the unit is active only. Returns its sum."""
    total = ZERO
    for t in range(len(back)):
        back[t] *= ZERO if units[t] <= ZERO else ONE
        total += back[t]
    return total


@compiled("reassoc", "nsz")
def _backward(
    weights: Floats, gradient: Floats, x: Floats, at: int, hidden: Floats, z: Floats, back: Floats,
    d: int, h: int, c: int, m: int,
) -> None:  # fmt: skip
    """Add one tile's gradient. z: (C, TILE) gradient of the logits; back: room for (2, TILE)."""
    output = h * d + h
    for k in range(c):
        total = ZERO
        for value in z[k * TILE : k * TILE + m]:
            total += value
        gradient[output + c * h + k] += total
    for j in range(0, h, 2):
        fill(back[:m], ZERO)
        fill(back[TILE : TILE + m], ZERO)
        for k in range(0, c, 4):
            mix(back, 0, z, k * TILE, weights, output + k * h + j, 1, h, m)
            sum_products(gradient, output + k * h + j, 1, h, hidden, j * TILE, z, k * TILE, m)
        for row in range(2):
            gradient[h * d + j + row] += _block(
                back[row * TILE : row * TILE + m], hidden[(j + row) * TILE : (j + row) * TILE + m]
            )
        for i in range(0, d, 4):
            sum_products(gradient, j * d + i, d, 1, back, 0, x, at + i * TILE, m)


@compiled("reassoc", "nsz", "arcp")
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


@compiled("reassoc", "nsz")
def _record(losses: Floats, history: Floats, column: int) -> None:
    """Mean and variance (population) of the losses, summed in double precision."""
    mean, variance = 0.0, 0.0
    for loss in losses:
        mean += np.float64(loss)
    mean /= len(losses)
    for loss in losses:
        variance += (np.float64(loss) - mean) ** 2
    history[0, column], history[1, column] = mean, variance / len(losses)


@compiled()
def train(
    weights: Floats, moment: Floats, square: Floats, x: Floats, y: Integers, shape: tuple[int, int, int, int],
    optimizer: int, rates: Doubles, momentum: float, decay: float, history: Floats, begin: int, epochs: int,
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
        fill(gradient, ZERO)
        for tile in range(tiles):
            at, first, last = tile * d * TILE, min(n, tile * rows), min(n, (tile + 1) * rows)
            _forward(weights, x, at, hidden, z, d, h, c, rows)
            _errors(z, y[first:last], scale, losses[first:last], scratch, classes, rows)
            _backward(weights, gradient, x, at, hidden, z, back, d, h, c, rows)
        _record(losses, history, epoch)
        _update(weights, gradient, moment, square, optimizer, rates[epoch], momentum, decay, epoch + 1)


@compiled()
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
        softmax(powers, top, total, classes, rows)
        for t in range(min(rows, n - tile * rows)):
            shift = top[t] + np.log(total[t])
            for k in range(classes):
                result[tile * rows + t, k] = z[k * TILE + t] - shift
    return result


@compiled()
def judge(
    weights: Floats, x: Floats, y: Integers, shape: tuple[int, int, int, int], losses: Doubles, predicted: Integers
) -> None:
    """Fill in the cross-entropy and the likeliest class of the samples in the tiles `x`, whose classes are y (n,)."""
    d, h, c, classes = shape
    n = len(y)
    tiles, rows = tiling(n)
    hidden, z = np.empty(h * TILE, np.float32), np.empty(c * TILE, np.float32)
    top, total, own = np.empty(TILE, np.float32), np.empty(TILE, np.float32), np.empty(TILE, np.float32)
    for tile in range(tiles):
        first, last = tile * rows, min(n, (tile + 1) * rows)
        _forward(weights, x, tile * d * TILE, hidden, z, d, h, c, rows)
        for t in range(last - first):
            own[t] = z[y[first + t] * TILE + t]
            best = 0
            for k in range(1, classes):
                best = k if z[k * TILE + t] > z[best * TILE + t] else best
            predicted[first + t] = best
        softmax(z, top, total, classes, rows)
        for t in range(last - first):
            losses[first + t] = top[t] + np.log(total[t]) - own[t]
