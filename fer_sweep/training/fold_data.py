"""The numbers one network sees: its parts of a fold, normalized without looking at the rest."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fer_sweep.data import Fold, Samples

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """One side of a fold. index: (n,) rows of Samples, x: (n, d) features, y: (n,) classes."""

    index: IntArray
    x: FloatArray
    y: IntArray


@dataclass(frozen=True, eq=False)
class FoldData:
    """A fold with its features normalized. planted: (n_train,) known wrong labels, or None when unknown."""

    repeat: int
    fold: int
    train: Part
    validation: Part
    test: Part
    planted: npt.NDArray[np.bool_] | None


def prepare_fold(samples: Samples, fold: Fold, normalize: bool | Literal["all"]) -> FoldData:
    """Cut a fold out of the samples. Mean and population deviation come from the training part, or from all samples
    with `all` (which leaks); a constant feature is only centred."""
    x = samples.x.astype(np.float64)
    if normalize:
        reference = x if normalize == "all" else x[fold.train]
        deviation = reference.std(axis=0)
        x = (x - reference.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)

    def part(index: IntArray) -> Part:
        return Part(index, np.ascontiguousarray(x[index], dtype=np.float32), samples.y[index])

    planted = None if samples.planted is None else samples.planted[fold.train]
    return FoldData(fold.repeat, fold.fold, part(fold.train), part(fold.validation), part(fold.test), planted)
