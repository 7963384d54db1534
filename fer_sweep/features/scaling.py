"""Standardization of features: mean and deviation of some rows, applied to any."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scaling:
    """mean, deviation: (d,) float64, subtracted from and divided into each feature."""

    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]

    def apply(self, x: npt.NDArray[np.floating]) -> FloatArray:
        """(n, d) float32 of features (n, d)."""
        return np.ascontiguousarray((x.astype(np.float64) - self.mean) / self.deviation, dtype=np.float32)


def fit_scaling(x: FloatArray) -> Scaling:
    """Mean and population deviation of the rows of x (n, d); a constant feature is only centred."""
    rows = x.astype(np.float64)
    deviation = rows.std(axis=0)
    return Scaling(rows.mean(axis=0), np.where(deviation > 0, deviation, 1.0))
