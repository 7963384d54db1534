"""The fused engine: what Population does, for full batches on the CPU, one compiled loop per network.

Networks train side by side on threads and never meet in one product, so each comes out bit for bit the same whatever
else trains with it, and those of different width or size need no padding to each other's.
"""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

from fer_sweep.cores import own_cores
from fer_sweep.models.mlp import MlpWeights, initial_weights
from fer_sweep.spec.train import TrainConfig
from fer_sweep.training import fused_kernel as kernel
from fer_sweep.training.compilation import ensure_compiled
from fer_sweep.training.fused_tiles import TILE, Floats, tiling
from fer_sweep.training.member import Member, Weights
from fer_sweep.training.observation import Judged
from fer_sweep.training.schedules import rates_until

_OPTIMIZERS = {"sgd": kernel.SGD, "adam": kernel.ADAM, "adamw": kernel.ADAMW}


class FusedPopulation:
    """Networks that advance through the epochs together. `epoch` counts completed updates of every network."""

    def __init__(self, members: Sequence[Member], *, classes: int, epochs: int, device: torch.device) -> None:
        assert device.type == "cpu"
        assert all(is_fusible(m.train) and m.mirrored is None for m in members)
        ensure_compiled()
        self.epoch = 0
        self.device = device
        self._networks = [_Network(m, classes=classes, epochs=epochs) for m in members]

    def __len__(self) -> int:
        return len(self._networks)

    def advance(self, epochs: int) -> None:
        """Run `epochs` epochs without looking at anything."""
        assert self.epoch + epochs <= self._networks[0].history.shape[1], "more epochs than were announced"
        waiting = iter(self._networks)  # whichever thread is free takes the next: cores are not equally fast

        def train() -> None:
            for network in waiting:
                network.train_for(self.epoch, epochs)

        if len(self) == 1:
            train()
        else:
            threads = _threads(os.getpid())
            for share in [threads.submit(train) for _ in range(min(len(own_cores()), len(self)))]:
                share.result()
        self.epoch += epochs

    def errors(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Per-sample cross-entropy and half sum of squared errors of the current networks, (P, N) each, on all
        training samples; padding is zero."""
        both = np.zeros((2, len(self), max(len(network.y) for network in self._networks)))
        for p, network in enumerate(self._networks):
            both[:, p, : len(network.y)] = network.errors()
        return both[0], both[1]

    def recent(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """The cross-entropy of `errors`, and which training samples are predicted right, (P, N) each."""
        judged = self.judge(-1, [network.y for network in self._networks])
        right = np.zeros(judged.predicted.shape, dtype=np.bool_)
        for p, true in enumerate(judged.truth):
            np.equal(judged.predicted[p, : len(true)], true, out=right[p, : len(true)])
        return judged.cross_entropy, right

    def predict(self, part: int) -> list[Floats]:
        """Class probabilities (n, C) of every network on its evaluation set number `part`; -1 is the training set."""
        return [network.probabilities(part) for network in self._networks]

    def judge(self, part: int, truth: Sequence[npt.NDArray[np.int64]]) -> Judged:
        """How every network does on its evaluation set number `part`, or the training set, whose classes are (n,) of
        `truth`. Padding is zero."""
        shape = len(self), max(map(len, truth))
        cross_entropy, predicted = np.zeros(shape), np.zeros(shape, dtype=np.int64)
        for p, (network, true) in enumerate(zip(self._networks, truth, strict=True)):  # threads would cost more
            network.judge(part, true, cross_entropy[p], predicted[p])
        return Judged(cross_entropy, predicted, truth)

    def weigh(self, network: int, weights: Floats) -> None:
        """(n,) whether one network trains on each training sample from now on: 1, or 0."""
        assert np.isin(weights, (0.0, 1.0)).all()
        self._networks[network].use(weights > 0.0)

    def history(self) -> Floats:
        """(2, P, epoch) mean and variance of the active samples' cross-entropy at epochs 0..epoch-1."""
        return np.stack([network.history[:, : self.epoch] for network in self._networks], axis=1)

    def keep(self, networks: Sequence[int]) -> None:
        """Drop all networks but these; the rest go on as if they had been alone."""
        self._networks = [self._networks[p] for p in networks]

    def weights(self, network: int) -> Weights:
        """The fields of MlpWeights of one network."""
        return self._networks[network].weights()


def is_fusible(train: TrainConfig) -> bool:
    """Whether this engine can train so: full batches, all samples alike."""
    return train.batch_size == "full" and train.label_smoothing == 0.0 and train.class_weights == "none"


def compile_all() -> None:
    """Let the kernel be compiled, and kept, for the types that it is called with."""
    x, y = np.zeros((8, 4), np.float32), np.arange(8) % 2
    weights = initial_weights(features=4, hidden_units=4, classes=2, seed=0)
    member = Member(weights, TrainConfig(epochs=1), x, y, (x, x), np.random.default_rng(0))
    network = _Network(member, classes=2, epochs=1)
    network.train_for(0, 1)
    network.errors()
    network.judge(-1, y, np.zeros(8), np.zeros(8, np.int64))


@cache
def _threads(_process: int) -> ThreadPoolExecutor:
    """As many threads as cores, shared by all populations of this process: together they never keep more than that
    busy. A forked process inherits no threads, so they are asked for by process number."""
    return ThreadPoolExecutor(len(own_cores()), thread_name_prefix="fused")


@dataclass(frozen=True)
class _Tiles:
    """Features of n samples in the kernel's tiles, (tiles, D, TILE) flat."""

    values: Floats
    n: int

    @classmethod
    def of(cls, x: Floats, d: int) -> "_Tiles":
        n, features = x.shape
        tiles, rows = tiling(n)
        padded = np.zeros((tiles * rows, d), np.float32)
        padded[:n, :features] = x
        values = np.zeros((tiles, d, TILE), np.float32)
        values[:, :, :rows] = padded.reshape(tiles, rows, d).transpose(0, 2, 1)
        return cls(values.ravel(), n)


class _Network:
    """One network's weights, optimizer state, samples and (2, epochs + 1) history."""

    def __init__(self, member: Member, *, classes: int, epochs: int) -> None:
        assert isinstance(member.weights, MlpWeights)
        h, features = member.weights.hidden.shape
        self._shape = (_padded(features), _padded(h), _padded(classes), classes)
        self._sizes = [tuple(tensor.shape) for tensor in member.weights]
        self._train: TrainConfig = member.train
        self._rates = rates_until(epochs, member.train, member.schedule)
        self._weights = _flatten(member.weights, self._shape)
        self._moment, self._square = np.zeros_like(self._weights), np.zeros_like(self._weights)
        self._x, self.y = member.x, np.ascontiguousarray(member.y, np.int64)
        self._parts = [_Tiles.of(x, self._shape[0]) for x in (*member.evaluate, member.x)]
        self._active_x, self._active_y = self._parts[-1], self.y
        self.history = np.full((2, epochs + 1), np.nan, np.float32)

    def train_for(self, begin: int, epochs: int) -> None:
        """Run `epochs` epochs after the first `begin`."""
        train = self._train
        kernel.train(
            self._weights, self._moment, self._square, self._active_x.values, self._active_y, self._shape,
            _OPTIMIZERS[train.optimizer], self._rates, train.momentum, train.weight_decay,
            self.history, begin, epochs,
        )  # fmt: skip

    def probabilities(self, part: int) -> Floats:
        """(n, C) of evaluation set `part`, or of the training set, which is the last."""
        return np.exp(self._log_probabilities(part))

    def errors(self) -> npt.NDArray[np.float64]:
        """(2, n) cross-entropy and half sum of squared errors of all training samples."""
        logarithms = self._log_probabilities(-1)
        samples = np.arange(len(self.y))
        cross_entropy = -logarithms[samples, self.y]
        misses = np.exp(logarithms)
        misses[samples, self.y] -= 1.0
        return np.stack([cross_entropy, 0.5 * np.square(misses).sum(axis=1)]).astype(np.float64)

    def judge(
        self,
        part: int,
        truth: npt.NDArray[np.int64],
        cross_entropy: npt.NDArray[np.float64],
        predicted: npt.NDArray[np.int64],
    ) -> None:
        """Fill in cross-entropy and prediction of the first len(truth) samples, which are all of `part`."""
        tiles = self._parts[part]
        assert tiles.n == len(truth)
        kernel.judge(self._weights, tiles.values, truth, self._shape, cross_entropy, predicted)

    def use(self, active: npt.NDArray[np.bool_]) -> None:
        """Train on these samples from now on."""
        self._active_x = _Tiles.of(self._x[active], self._shape[0])
        self._active_y = self.y[active]

    def weights(self) -> Weights:
        """The fields of MlpWeights, without padding."""
        return _unflatten(self._weights, self._shape, self._sizes)

    def _log_probabilities(self, part: int) -> Floats:
        tiles = self._parts[part]
        with np.errstate(all="ignore"):
            return kernel.log_probabilities(self._weights, tiles.values, tiles.n, self._shape)


def _padded(width: int) -> int:
    return -(-width // 4) * 4


def _padded_shapes(shape: tuple[int, int, int, int]) -> tuple[tuple[int, ...], ...]:
    """Of the fields of MlpWeights in the kernel's order."""
    d, h, c, _ = shape
    return (h, d), (h,), (c, h), (c,)


def _flatten(weights: MlpWeights, shape: tuple[int, int, int, int]) -> Floats:
    """The kernel's flat, padded weights."""
    filled = []
    for padded, tensor in zip(_padded_shapes(shape), weights, strict=True):
        array = np.zeros(padded, np.float32)
        array[tuple(slice(size) for size in tensor.shape)] = tensor.numpy()
        filled.append(array.ravel())
    return np.concatenate(filled)


def _unflatten(flat: Floats, shape: tuple[int, int, int, int], sizes: Sequence[tuple[int, ...]]) -> Weights:
    """The fields of MlpWeights, of these sizes, out of the kernel's weights."""
    found, begin = {}, 0
    for name, padded, true in zip(MlpWeights._fields, _padded_shapes(shape), sizes, strict=True):
        end = begin + math.prod(padded)
        found[name] = flat[begin:end].reshape(padded)[tuple(map(slice, true))].copy()
        begin = end
    return found
