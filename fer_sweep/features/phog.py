"""Pyramid histogram of oriented gradients, A. Bosch, A. Zisserman and X. Munoz, CIVR 2007, as in their anna_phog.m.

Edge pixels vote with their gradient's magnitude for the bin of its direction, in 2^l x 2^l cells on the levels 0 .. L.
Two slips of the original are not repeated: a direction of exactly zero falls into the first bin (there it is lost), and
sides must be divisible by 2^L (there the vector silently gets more cells).
"""

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

BLANK = 100.0
"""Pictures whose grey values sum to no more than this have no descriptor: zeros."""
SIGMA = np.sqrt(2.0)
HIGH_SHARE, LOW_RATIO = 0.7, 0.4
"""MATLAB's Canny: the high threshold leaves 30 % of the pixels above it, the low one is 0.4 of it."""


def phog_length(bins: int, levels: int) -> int:
    """bins * sum of 4^l over the levels 0 .. L."""
    return int(bins * (4 ** (levels + 1) - 1) // 3)


def phog(
    image: Grey, edges: Bools, *, bins: int = 16, levels: int = 4, angle: Literal[180, 360] = 360
) -> npt.NDArray[np.float32]:
    """(bins * sum 4^l,) descriptor that sums to 1: levels from coarse to fine, cells column by column, then bins.

    image: (h, w) grey, sides divisible by 2^levels; edges: (h, w), which pixels vote. Without an edge: zeros.
    """
    h, w = image.shape
    assert h % 2**levels == 0
    assert w % 2**levels == 0
    if image.sum(dtype=np.float64) <= BLANK:
        return np.zeros(phog_length(bins, levels), dtype=np.float32)
    down, along = np.gradient(image.astype(np.float64))
    magnitude = np.hypot(along, down)
    along = np.where(along == 0.0, 1e-5, along)
    direction = np.arctan2(down, along) + np.pi if angle == 360 else np.arctan(down / along) + np.pi / 2
    part = np.ceil(np.degrees(direction) / (angle / bins)).astype(np.int64).clip(1, bins) - 1
    y, x = np.nonzero(edges & (magnitude > 0.0))
    votes, part = magnitude[y, x], part[y, x]
    histograms = []
    for level in range(levels + 1):
        cells = 2**level
        cell = (x // (w // cells)) * cells + y // (h // cells)
        histograms.append(np.bincount(cell * bins + part, weights=votes, minlength=cells * cells * bins))
    whole = np.concatenate(histograms)
    total = whole.sum()
    return (whole / total if total > 0.0 else whole).astype(np.float32)


def canny_edges(image: Grey) -> Bools:
    """(h, w) edges by Canny's method with MATLAB's defaults: Gaussian of deviation sqrt(2), thresholds from the
    distribution of the gradient's magnitude."""
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), float(SIGMA))
    along, down = (cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    high = float(np.quantile(np.hypot(along, down), HIGH_SHARE))
    if high == 0.0:
        return np.zeros(image.shape, dtype=np.bool_)
    scale = 8192.0 / max(float(np.abs(along).max()), float(np.abs(down).max()))  # cv2.Canny takes 16-bit gradients
    edges = cv2.Canny(
        np.rint(along * scale).astype(np.int16),
        np.rint(down * scale).astype(np.int16),
        LOW_RATIO * high * scale,
        high * scale,
        L2gradient=True,
    )
    return np.asarray(edges > 0)
