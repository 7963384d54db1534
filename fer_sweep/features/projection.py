"""Principal components of descriptors, fitted on given rows only: what is fitted never sees the test side of a fold."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

from fer_sweep.errors import DataError
from fer_sweep.features.descriptors import Descriptors, FloatArray


def fit_project(
    blocks: Descriptors, rows: npt.NDArray[np.int64], components: Literal["all"] | int | float
) -> FloatArray:
    """(N, d) principal components of every block side by side, fitted on `rows`.

    components: so many per block (the paper: 5 of LPQ and 5 of PHOG), the share of variance to explain (Dhall et al.
    2011: 0.98), or `all` for the descriptors as they are. Signs are fixed by scikit-learn, so the same data give the
    same numbers. Raises DataError for more components than there can be.
    """
    if components == "all":
        return np.concatenate(list(blocks.values()), axis=1)
    return np.concatenate([_project(name, x, rows, components) for name, x in blocks.items()], axis=1)


def _project(name: str, x: FloatArray, rows: npt.NDArray[np.int64], components: int | float) -> FloatArray:
    most = min(len(rows) - 1, x.shape[1])  # centred rows span one dimension less
    if components > most:
        raise DataError(
            f"features.components: {components} is more than {name} can give: {len(rows)} training samples of "
            f"{x.shape[1]} values have at most {most}. Use a smaller number, a share such as 0.98, or all."
        )
    pca = PCA(n_components=components, svd_solver="full").fit(x[rows].astype(np.float64))
    projected: FloatArray = pca.transform(x).astype(np.float32)
    return projected
