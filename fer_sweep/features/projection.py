"""Principal components of descriptors, fitted on given rows only: what is fitted never sees the test side of a fold."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from fer_sweep.errors import DataError

FloatArray = npt.NDArray[np.float32]
Components = Literal["all"] | int | float


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """mean: (D,) of a descriptor, axes: (k, D) orthonormal, both float64."""

    mean: npt.NDArray[np.float64]
    axes: npt.NDArray[np.float64]


Projection = Mapping[str, PrincipalAxes]
"""Name of a descriptor -> its axes; empty: descriptors stay as they are."""


def fit_projection(blocks: Mapping[str, FloatArray], rows: npt.NDArray[np.int64], components: Components) -> Projection:
    """The principal axes of every block (N, D), fitted on `rows`.

    components: so many per block (the paper: 5 of LPQ and 5 of PHOG), the share of variance to explain (Dhall et al.
    2011: 0.98), or `all` for the descriptors as they are. Signs are fixed by scikit-learn, so the same data give the
    same numbers. Raises DataError for more components than there can be.
    """
    if components == "all":
        return MappingProxyType({})
    return MappingProxyType({name: _axes(name, x, rows, components) for name, x in blocks.items()})


def project(projection: Projection, blocks: Mapping[str, FloatArray]) -> FloatArray:
    """(N, d) principal components of every block side by side, or the blocks themselves for an empty projection."""
    return np.concatenate([_projected(projection[name], x) if projection else x for name, x in blocks.items()], axis=1)


def _projected(axes: PrincipalAxes, x: FloatArray) -> FloatArray:
    # centred after the product, as scikit-learn does
    return np.asarray(x @ axes.axes.T - axes.mean @ axes.axes.T, dtype=np.float32)


def _axes(name: str, x: FloatArray, rows: npt.NDArray[np.int64], components: int | float) -> PrincipalAxes:
    from sklearn.decomposition import PCA  # here, because whoever only projects needs no scikit-learn

    most = min(len(rows) - 1, x.shape[1])  # centred rows span one dimension less
    if components > most:
        raise DataError(
            f"features.components: {components} is more than {name} can give: {len(rows)} training samples of "
            f"{x.shape[1]} values have at most {most}. Use a smaller number, a share such as 0.98, or all."
        )
    pca = PCA(n_components=components, svd_solver="full").fit(x[rows].astype(np.float64))
    return PrincipalAxes(pca.mean_, pca.components_)
