"""Decoding a picture file, whatever its mode, into upright RGB; and saying why it cannot be decoded."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from fer_sweep.errors import DataError

PIXEL_LIMIT = 100_000_000
"""More pixels than this, as announced by a file's header, are a mistake or an attack (a decompression bomb)."""

Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit warns in between and knows no reasons; `examine` has its own

_UNDECODABLE = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error)
"""What Pillow raises for files that are broken in one way or another."""


def decode(file: Path | bytes) -> npt.NDArray[np.uint8]:
    """(h, w, 3) uint8 RGB of a picture file or its content: upright as its EXIF data say, 16 bits scaled to 8,
    transparency over white, the first frame of several.

    Raises DataError if the file has changed since it was examined and is no readable picture any more.
    """
    try:
        return _decoded(file.read_bytes() if isinstance(file, Path) else file)
    except _UNDECODABLE as error:
        name = file if isinstance(file, Path) else "a picture"
        raise DataError(f"{name} is no readable picture any more: {error}. Start again to have it left out.") from error


def examine(content: bytes) -> tuple[int, int] | str:
    """(width, height) of the upright picture in a file's content, or the reason why there is none."""
    if not content:
        return "the file is empty"
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
        if width * height > PIXEL_LIMIT:
            return f"{width} x {height} pixels are more than the {PIXEL_LIMIT:,} allowed"
        height, width = _decoded(content).shape[:2]
    except UnidentifiedImageError:
        return "not a picture"
    except _UNDECODABLE as error:
        return f"broken: {error}"
    return width, height


def _decoded(content: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I") or image.mode == "F":
            return _from_deep(np.asarray(image))
        if "A" in image.mode or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.array(image.convert("RGB"))


def _from_deep(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Grey values of more than 8 bits: integers are taken for 16 bits, floats for shares of 1 if none is larger."""
    grey = values.astype(np.float64)
    if np.issubdtype(values.dtype, np.floating):
        grey = grey * 255.0 if grey.max(initial=0.0) <= 1.0 else grey
    elif grey.max(initial=0.0) > 255.0:
        grey = grey / 257.0
    eight = np.rint(grey).clip(0, 255).astype(np.uint8)
    return np.repeat(eight[:, :, None], 3, axis=2)
