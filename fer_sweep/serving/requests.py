"""What somebody sends to a model, as what a pipeline takes: cells of a column `image`, or named columns of numbers."""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fer_sweep.errors import DataError
from fer_sweep.serving.pipeline import FeatureRows
from fer_sweep.spec.data import PICTURE_SUFFIXES

if TYPE_CHECKING:
    from fer_sweep.data.pictures import Pictures

IMAGE = "image"
"""The column that pictures are sent in."""


def pictures_of(cells: Sequence[Any], names: Sequence[str] | None = None) -> "Pictures":
    """Pictures out of cells: paths, bytes of files or their base64 text (a data: URL too), or uint8 arrays (h, w, 3) or
    (h, w), nested lists included.

    Raises DataError with the name of the first (`image 0`, or its path) that is no readable picture.
    """
    from fer_sweep.data.pictures import whole_pictures  # here, because rows of features need no Pillow

    if names is None:
        names = [str(cell) if _is_path(cell) else f"image {i}" for i, cell in enumerate(cells)]
    return whole_pictures([_item(cell, name) for cell, name in zip(cells, names, strict=True)], names)


def columns_of(rows: FeatureRows, names: Sequence[str]) -> list[int]:
    """Where the features of a pipeline stand among the columns of a table; columns it does not know are ignored.

    Raises DataError naming the features that are not there.
    """
    known = {name: position for position, name in reversed(list(enumerate(names)))}
    if lacking := [name for name in rows.names if name not in known]:
        raise DataError(
            f"the input lacks {len(lacking)} of the {len(rows.names)} features that the model takes: "
            f"{', '.join(lacking)}. Its columns are {', '.join(map(str, names))}; give {', '.join(rows.names)}."
        )
    return [known[name] for name in rows.names]


def _is_path(cell: object) -> bool:
    """A text that ends like a picture's name is meant as a path, whether or not there is such a file."""
    return isinstance(cell, Path) or (isinstance(cell, str) and cell.lower().endswith(PICTURE_SUFFIXES))


def _item(cell: Any, name: str) -> "Path | bytes | npt.NDArray[np.uint8]":
    if _is_path(cell):
        return Path(cell).expanduser()
    if isinstance(cell, str):
        return _decoded(cell, name)
    if isinstance(cell, bytes | bytearray | memoryview):
        return bytes(cell)
    if isinstance(cell, list | tuple | np.ndarray):
        return _array(cell, name)
    raise DataError(
        f"{name} is of type {type(cell).__name__}, which is no picture. Give a path, the bytes of a picture file, "
        "their base64 text, or a uint8 array."
    )


def _decoded(text: str, name: str) -> bytes:
    """The bytes behind base64 text, or a data: URL of it."""
    try:
        return base64.b64decode(text.rpartition("base64,")[2], validate=True)
    except (binascii.Error, ValueError):
        shown = text if len(text) <= 40 else f"{text[:37]}..."
        raise DataError(
            f"{name} ({shown!r}) is neither base64 text nor a path that ends in {', '.join(PICTURE_SUFFIXES)}. "
            "Send the bytes of a picture file in base64."
        ) from None


def _array(cell: Any, name: str) -> "npt.NDArray[np.uint8]":
    """A picture sent in numbers 0..255, of whatever type."""
    try:
        array = np.asarray(cell)
    except ValueError:
        raise DataError(f"{name} is a list of rows of unequal length, which is no picture.") from None
    if array.dtype == object and array.size:  # pandas' rows of rows
        array = np.array(array.tolist())
    if not np.issubdtype(array.dtype, np.number) or (array.size and not 0 <= array.min() <= array.max() <= 255):
        raise DataError(f"{name} has values that are no numbers from 0 to 255. Pictures are uint8 arrays.")
    if not np.array_equal(eight := array.astype(np.uint8), array):
        raise DataError(f"{name} has values that are no whole numbers from 0 to 255. Pictures are uint8 arrays.")
    return eight
