"""A sheet of pictures: placed and labelled by hand, because a grid of axes takes many times as long to draw."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.transforms import IdentityTransform
from PIL import Image

from fer_sweep.tracking.figures.canvas import INK, SMALL, head, new_figure, png

Pixels = npt.NDArray[np.uint8]


class Sheet:
    """A white sheet with a head. All places are in pixels from its top left corner."""

    def __init__(self, width: int, height: int, *, title: str, explanation: str) -> None:
        self._figure, self._height = new_figure(width / 100, height / 100, constrained=False), height
        head(self._figure, title, explanation)

    def picture(self, pixels: Pixels, left: int, top: int, side: int, *, smooth: bool = True) -> None:
        """(h, w, 3) in the middle of a square, in its aspect. smooth: interpolated; otherwise every value of a small
        picture is seen."""
        height, width = pixels.shape[:2]
        scale = side / max(height, width)
        size = max(1, round(scale * width)), max(1, round(scale * height))
        resized = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST)
        x, y = left + (side - size[0]) // 2, top + (side - size[1]) // 2
        self._figure.figimage(np.asarray(resized), x, self._height - y - size[1])

    def text(
        self,
        text: str,
        x: float,
        baseline: float,
        *,
        ha: Literal["left", "center"] = "center",
        color: str = INK,
        size: float = SMALL,
    ) -> None:
        """One line that stands on `baseline`. size: points."""
        y, where = self._height - baseline, IdentityTransform()
        self._figure.text(x, y, text, ha=ha, va="baseline", color=color, fontsize=size, transform=where)

    def png(self) -> bytes:
        """The sheet as PNG."""
        return png(self._figure)
