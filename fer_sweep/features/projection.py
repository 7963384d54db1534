"""Principal components of descriptors, fitted on given rows only: what is fitted never sees the test side of a fold."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from fer_sweep.errors import DataError

FloatArray = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Components = Literal["all"] | int | float


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """mean: (D,) of a descriptor, axes: (k, D) orthonormal, both float64."""

    mean: Doubles
    axes: Doubles


Projection = Mapping[str, PrincipalAxes]
"""Name of a descriptor -> its axes; empty: descriptors stay as they are."""


def fit_projection(blocks: Mapping[str, FloatArray], rows: npt.NDArray[np.int64], components: Components) -> Projection:
    """The principal axes of every block (N, D), fitted on `rows`.

    components: so many per block (the paper: 5 of LPQ and 5 of PHOG), the share of variance to explain (Dhall et al.
    2011: 0.98), or `all` for the descriptors as they are. The largest entry of an axis is positive, so the same data
    give the same numbers. Raises DataError for more components than there can be.
    """
    if components == "all":
        return MappingProxyType({})
    return MappingProxyType({name: _axes(name, x, rows, components) for name, x in blocks.items()})


def project(projection: Projection, blocks: Mapping[str, FloatArray]) -> FloatArray:
    """(N, d) principal components of every block side by side, or the blocks themselves for an empty projection."""
    return np.concatenate([_projected(projection[name], x) if projection else x for name, x in blocks.items()], axis=1)


def _projected(axes: PrincipalAxes, x: FloatArray) -> FloatArray:
    # centred after the product, which is smaller than x
    return np.asarray(x @ axes.axes.T - axes.mean @ axes.axes.T, dtype=np.float32)


def _axes(name: str, x: FloatArray, rows: npt.NDArray[np.int64], components: int | float) -> PrincipalAxes:
    most = min(len(rows) - 1, x.shape[1])  # centred rows span one dimension less
    if components > most:
        raise DataError(
            f"features.components: {components} is more than {name} can give: {len(rows)} training samples of "
            f"{x.shape[1]} values have at most {most}. Use a smaller number, a share such as 0.98, or all."
        )
    centred = x[rows].astype(np.float64)
    mean = centred.mean(axis=0)
    centred -= mean
    return PrincipalAxes(mean, _leading(centred, components))


def _leading(centred: Doubles, components: int | float) -> Doubles:
    """(k, D) leading axes of centred rows (n, D), so many or as many as explain more than a share of the variance.

    From the smaller of the two Gram matrices (Turk and Pentland 1991, "Eigenfaces for recognition"): an SVD of 210
    descriptors of 5456 values takes ten times as long. It cannot tell a variance below rounding from none; descriptors
    are float32, so nothing lies there, and the axis of no variance is zero.
    """
    wide = centred.shape[0] <= centred.shape[1]
    squares, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    squares, vectors = squares[::-1], vectors[:, ::-1]
    squares = np.where(squares > squares[0] * np.finfo(np.float64).eps * max(centred.shape), squares, 0.0)
    if isinstance(components, float):
        explained = np.cumsum(squares) / max(squares.sum(), np.finfo(np.float64).tiny)
        components = int(np.searchsorted(explained, components, side="right")) + 1
    squares, axes = squares[:components, None], vectors.T[:components]
    if wide:
        axes = axes @ centred / np.sqrt(np.where(squares > 0, squares, 1.0))
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    signed: Doubles = np.where(squares > 0, axes * np.where(largest < 0, -1.0, 1.0), 0.0)
    return signed
