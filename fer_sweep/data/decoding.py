"""Decoding a picture file, whatever its mode, into upright RGB; and saying why it cannot be decoded."""

import ctypes
import io
import logging
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError, _imaging

from fer_sweep.errors import DataError

PIXEL_LIMIT = 100_000_000
"""More pixels than this, as announced by a file's header, are a mistake or an attack (a decompression bomb)."""

Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit warns in between and knows no reasons; `examine` has its own

DECODING = 1
"""Number of these rules; another one makes what was remembered of pictures outdated."""

# What is wrong with a file is told by us, once, with its name. Pillow warns and logs without it, and libtiff prints to
# stderr, which Pillow leaves it to do. (Where libtiff is linked statically it cannot be reached, and goes on printing.)
logging.getLogger("PIL").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
if hasattr(_pillow := ctypes.CDLL(_imaging.__file__), "TIFFSetErrorHandler"):
    _pillow.TIFFSetErrorHandler(None)

_UNDECODABLE = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error)
"""What Pillow raises for files that are broken in one way or another."""


class _UnknownWhite(ValueError):
    """Grey values of which it is not known how bright they are."""


def decode(file: Path | bytes) -> npt.NDArray[np.uint8]:
    """(h, w, 3) uint8 RGB of a picture file, or of its content: upright as its EXIF data say, transparency over white,
    the first frame of several. 16 bits become 8 by v / 257, whatever values occur; floats are shares of 1.

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
        return _unknown(content)
    except _UnknownWhite as error:
        return str(error)
    except _UNDECODABLE as error:
        return f"broken: {error}"
    return width, height


def _unknown(content: bytes) -> str:
    """Why Pillow does not know a file: photos of phones are pictures all the same."""
    if content[4:8] != b"ftyp":
        return "not a picture"
    brand = content[8:12].decode("ascii", "replace").strip()
    return f"of a format that is not read here ({brand}): save it as PNG or JPEG"


def _decoded(content: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I") or image.mode == "F":
            return _from_deep(np.asarray(image), known_white=image.mode != "I" or opened.format in _SIXTEEN_BITS_IN_I)
        if "A" in image.mode or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.array(image.convert("RGB"))


_SIXTEEN_BITS_IN_I = ("PPM", "PNG")
"""Formats whose pictures in Pillow's mode I, which has 32 bits, have grey values of 16."""


def _from_deep(values: npt.NDArray[np.generic], *, known_white: bool) -> npt.NDArray[np.uint8]:
    """(h, w, 3) of grey values (h, w) of more than 8 bits, by a rule that does not depend on the picture: two pictures
    of one camera stay comparable, and a dark one stays dark. Raises _UnknownWhite where no such rule is known."""
    if np.issubdtype(values.dtype, np.floating):
        grey = values.astype(np.float64) * 255.0
        if not (grey.min() >= 0.0 and grey.max() <= 255.0):  # not a number is neither
            raise _UnknownWhite("its grey values are floats beyond 0 to 1, whose white is not known; save 8 or 16 bits")
    elif not known_white:
        raise _UnknownWhite("its grey values are integers of 32 bits, whose white is not known; save 8 or 16 bits")
    else:
        grey = values.astype(np.float64) / 257.0
    return np.repeat(np.rint(grey).clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
