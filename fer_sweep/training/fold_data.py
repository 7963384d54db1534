"""What one network sees: its parts of a fold, normalized without looking at the rest."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fer_sweep.data import Fold, Samples
from fer_sweep.data.pictures import Pixels
from fer_sweep.features.scaling import Scaling, fit_scaling

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """One side of a fold. index: (n,) rows of Samples, x: (n, d) features (d is 0 for networks that see pictures),
    y: (n,) classes."""

    index: IntArray
    x: FloatArray
    y: IntArray


@dataclass(frozen=True, eq=False)
class FoldData:
    """A fold with its features normalized.

    planted:  (n_train,) known wrong labels, or None when unknown
    mirrored: (n_train, d) features of the mirrored training pictures, or None when they are not used
    pixels:   (N, size, size, 3) all pictures, to which the parts' indices refer; None for networks that see features
    scaling:  what the features went through; None where they are as they were
    """

    repeat: int
    fold: int
    train: Part
    validation: Part
    test: Part
    planted: npt.NDArray[np.bool_] | None
    mirrored: FloatArray | None = None
    pixels: Pixels | None = None
    scaling: Scaling | None = None


def prepare_fold(
    samples: Samples,
    fold: Fold,
    normalize: bool | Literal["all"],
    *,
    x: FloatArray | None = None,
    mirrored: FloatArray | None = None,
) -> FoldData:
    """Cut a fold out of the samples' features, or out of `x` (N, d) and `mirrored` (N, d) computed from their pictures.

    Mean and population deviation come from the training part, or from all samples with `all` (which leaks); a constant
    feature is only centred.
    """
    features = samples.features if x is None else x
    scaling = fit_scaling(features if normalize == "all" else features[fold.train]) if normalize else None

    def normalized(rows: FloatArray) -> FloatArray:
        return np.ascontiguousarray(rows) if scaling is None else scaling.apply(rows)

    def part(index: IntArray) -> Part:
        return Part(index, normalized(features[index]), samples.y[index])

    return FoldData(
        fold.repeat,
        fold.fold,
        part(fold.train),
        part(fold.validation),
        part(fold.test),
        planted=_planted(samples, fold),
        mirrored=None if mirrored is None else normalized(mirrored[fold.train]),
        scaling=scaling,
    )


def picture_fold(samples: Samples, fold: Fold, pixels: Pixels) -> FoldData:
    """A fold for networks that see the pictures themselves, (N, size, size, 3)."""

    def part(index: IntArray) -> Part:
        return Part(index, np.empty((len(index), 0), dtype=np.float32), samples.y[index])

    return FoldData(
        fold.repeat,
        fold.fold,
        part(fold.train),
        part(fold.validation),
        part(fold.test),
        planted=_planted(samples, fold),
        pixels=pixels,
    )


def _planted(samples: Samples, fold: Fold) -> npt.NDArray[np.bool_] | None:
    return None if samples.planted is None else samples.planted[fold.train]
