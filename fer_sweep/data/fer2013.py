"""`source: fer2013`: the CSV file of the FER-2013 challenge, 48 x 48 grey pixels a row (Goodfellow et al. 2013)."""

import csv
import io

import numpy as np
import numpy.typing as npt

from fer_sweep.data.cache import Cache
from fer_sweep.data.files import read_data_file
from fer_sweep.data.labels import EXPRESSIONS
from fer_sweep.data.pictures import Pictures, digest_of, whole_boxes
from fer_sweep.data.samples import Samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import Fer2013Data

SIDE = 48
EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
"""Meaning of the numbers 0..6 in the column `emotion`."""

_USAGE = {"Training": 0, "PublicTest": 1, "PrivateTest": 2}


def load_fer2013_samples(config: Fer2013Data, cache: Cache | None) -> Samples:
    """The rows as pictures, with the seven expressions in the order of EXPRESSIONS, whatever the file's numbers.

    The file names no persons, so each picture is its own. Raises DataError naming the row for anything that is not as
    the format says.
    """
    text = read_data_file(config.path).decode("utf-8-sig", errors="replace")
    reader = csv.DictReader(io.StringIO(text))
    missing = [name for name in ("emotion", "pixels") if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"data.path: {config.path} has no column {missing[0]}. FER-2013 has the columns emotion (0..6), pixels "
            f"({SIDE * SIDE} grey values) and Usage; for a table of features use data.source: csv."
        )
    pictures, labels, parts = [], [], []
    for row, cells in enumerate(reader, start=2):
        labels.append(_label(cells["emotion"], row))
        parts.append(_part(cells.get("Usage"), row))
        pictures.append(_pixels(cells["pixels"], row))
    if not pictures:
        raise DataError(f"data.path: {config.path} has no rows below its header.")
    n = len(pictures)
    digits = len(str(n + 1))
    return Samples(
        x=Pictures(tuple(pictures), tuple(map(digest_of, pictures)), whole_boxes([(SIDE, SIDE)] * n), cache),
        y=np.array(labels, dtype=np.int64),
        person=np.arange(n),
        ids=tuple(f"row-{row:0{digits}d}" for row in range(2, n + 2)),
        class_names=EXPRESSIONS,
        person_names=tuple(f"row-{row:0{digits}d}" for row in range(2, n + 2)),
        part=None if None in parts else np.array(parts, dtype=np.int64),
        warnings=("FER-2013 names no persons: the same person may stand on both sides of a split.",),
    )


def _label(cell: str | None, row: int) -> int:
    if cell is None or cell.strip() not in {str(i) for i in range(len(EMOTIONS))}:
        meaning = ", ".join(f"{i} {name}" for i, name in enumerate(EMOTIONS))
        raise DataError(f"Row {row}, column emotion: {cell!r} is not one of {meaning}.")
    return EXPRESSIONS.index(EMOTIONS[int(cell)])


def _part(cell: str | None, row: int) -> int | None:
    if cell is None:
        return None
    if cell.strip() not in _USAGE:
        raise DataError(f"Row {row}, column Usage: {cell!r} is not one of {', '.join(_USAGE)}.")
    return _USAGE[cell.strip()]


def _pixels(cell: str | None, row: int) -> npt.NDArray[np.uint8]:
    try:
        values = np.array((cell or "").split(), dtype=np.int64)
    except ValueError:
        values = np.empty(0, dtype=np.int64)
    if len(values) != SIDE * SIDE or values.min() < 0 or values.max() > 255:
        raise DataError(
            f"Row {row}, column pixels: expected {SIDE * SIDE} whole numbers from 0 to 255, found "
            f"{len((cell or '').split())} values, {(cell or '')[:30]!r}..."
        )
    grey = values.astype(np.uint8).reshape(SIDE, SIDE)
    return np.repeat(grey[:, :, None], 3, axis=2)
