"""Descriptors of all pictures: grey faces of one size, LPQ and PHOG of each (Dhall et al. 2011, paper section 2.1)."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from fer_sweep.data.pictures import Pictures, each
from fer_sweep.features.lpq import lpq_codes, lpq_histogram
from fer_sweep.features.phog import canny_edges, phog
from fer_sweep.spec.trial import FeaturesConfig

FloatArray = npt.NDArray[np.float32]
Descriptors = Mapping[str, FloatArray]
"""Name of a descriptor -> (N, D) float32, row i of picture i."""


def describe(pictures: Pictures, config: FeaturesConfig) -> Descriptors:
    """The descriptors that `config` asks for; each is remembered by the pictures' cache under the settings that it
    depends on."""
    size = config.size
    blocks: dict[str, FloatArray] = {}
    if "lpq" in config.descriptors:
        settings = (config.lpq_window, config.lpq_decorrelate, config.lpq_grid)
        blocks["lpq"] = pictures.computed("lpq", (size, *settings), lambda: _all_lpq(pictures, config))
    if "phog" in config.descriptors:
        shape = (config.phog_bins, config.phog_levels, config.phog_angle)
        blocks["phog"] = pictures.computed("phog", (size, *shape), lambda: _all_phog(pictures, config))
    return MappingProxyType(blocks)


def _all_lpq(pictures: Pictures, config: FeaturesConfig) -> FloatArray:
    grey = pictures.pixels(config.size, grey=True)

    def of(i: int) -> FloatArray:
        codes = lpq_codes(grey[i], window=config.lpq_window, decorrelate=config.lpq_decorrelate)
        return lpq_histogram(codes, grid=config.lpq_grid)

    return np.stack(each(of, range(len(grey))))


def _all_phog(pictures: Pictures, config: FeaturesConfig) -> FloatArray:
    grey = pictures.pixels(config.size, grey=True)

    def of(i: int) -> FloatArray:
        return phog(
            grey[i],
            canny_edges(grey[i]),
            bins=config.phog_bins,
            levels=config.phog_levels,
            angle=config.phog_angle,
        )

    return np.stack(each(of, range(len(grey))))
