"""`source: fer2013`: the CSV file of the FER-2013 challenge, 48 x 48 grey pixels a row (Goodfellow et al. 2013)."""

import csv
import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fer_sweep.data.cache import Cache
from fer_sweep.data.counts import counted
from fer_sweep.data.files import read_data_file
from fer_sweep.data.labels import EXPRESSIONS
from fer_sweep.data.persons import joined
from fer_sweep.data.pictures import Pictures, digest_of, whole_boxes
from fer_sweep.data.samples import Samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import Fer2013Data

SIDE = 48
EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
"""Meaning of the numbers 0..6 in the column `emotion`."""

_USAGE = {"Training": 0, "PublicTest": 1, "PrivateTest": 2}
_NO_USAGE = 255

Bytes = npt.NDArray[np.uint8]


def load_fer2013_samples(config: Fer2013Data, cache: Cache | None) -> Samples:
    """The rows as pictures, with the expressions that occur in the order of EXPRESSIONS, whatever the file's numbers.
    What the file's text says is remembered by `cache`.

    The file names no persons, so each picture is its own, copies of it included. Raises DataError naming the row for
    anything that is not as the format says.
    """
    content = read_data_file(config.path)

    def parsed() -> Bytes:
        return _parsed(content, config.path)

    table = parsed() if cache is None else cache.array("fer2013", (digest_of(content),), parsed)
    n, parts = len(table), table[:, 1]
    grey = table[:, 2:].reshape(n, SIDE, SIDE, 1)
    pictures = np.broadcast_to(grey, (n, SIDE, SIDE, 3))  # the three colours are the same bytes
    present, y = np.unique(table[:, 0], return_inverse=True)
    absent = [f"{EMOTIONS.index(name)} ({name})" for c, name in enumerate(EXPRESSIONS) if c not in present]
    missing = (
        f"No row has the emotion {', '.join(absent)}, so there are {len(present)} classes, not {len(EXPRESSIONS)}. If "
        f"that is not intended, {config.path} is not the whole FER-2013.",
    )
    digits = len(str(n + 1))
    rows = tuple(f"row-{row:0{digits}d}" for row in range(2, n + 2))
    digests = tuple(map(digest_of, pictures))
    names, person = np.unique(joined(rows, digests)[0], return_inverse=True)
    copies = (
        f"Copies of others: {counted(n - len(names), 'picture')}. Copies stand on one side of a split, but the "
        "official one does not heed them.",
    )
    return Samples(
        x=Pictures(tuple(pictures), digests, whole_boxes([(SIDE, SIDE)] * n), cache),
        y=y.astype(np.int64),
        person=person.astype(np.int64),
        ids=rows,
        class_names=tuple(EXPRESSIONS[c] for c in present),
        person_names=tuple(names.tolist()),
        part=None if _NO_USAGE in parts else parts.astype(np.int64),
        warnings=(
            "FER-2013 names no persons: the same person may stand on both sides of a split.",
            *(missing if absent else ()),
            *(copies if len(names) < n else ()),
        ),
    )


def _parsed(content: bytes, path: str) -> Bytes:
    """(N, 2 + 2304): class, part and grey values of every row."""
    rows = _rows(content.decode("utf-8-sig", errors="replace"), path)
    _, header = next(rows, (1, []))
    column = {name.strip(): position for position, name in enumerate(header)}
    missing = [name for name in ("emotion", "pixels") if name not in column]
    if missing:
        raise DataError(
            f"data.path: {path} has no column {missing[0]}. FER-2013 has the columns emotion (0..6), pixels "
            f"({SIDE * SIDE} grey values) and Usage; for a table of features use data.source: csv."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # numpy's word, so far, for text that is no number
        parsed = []
        for row, found in rows:
            cells = found + [""] * (len(header) - len(found))
            part = _part(cells[column["Usage"]], row) if "Usage" in column else _NO_USAGE
            head = np.array([_label(cells[column["emotion"]], row), part], dtype=np.uint8)
            parsed += [head, _pixels(cells[column["pixels"]], row)]
    if not parsed:
        raise DataError(f"data.path: {path} has no rows below its header. Give the whole file of the challenge.")
    return np.concatenate(parsed).reshape(-1, 2 + SIDE * SIDE)


def _rows(text: str, path: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, with their numbers as a spreadsheet counts them."""
    lines = text.splitlines()
    # csv's reader takes as long as all the rest, and what it is needed for is quotes
    split = csv.reader(lines, strict=True) if '"' in text else (line.split(",") for line in lines)
    try:
        yield from ((number, cells) for number, cells in enumerate(split, start=1) if "".join(cells).strip())
    except csv.Error as error:
        raise DataError(f"data.path: {path} cannot be read as a table: {error}. Check the quotes.") from error


def _label(cell: str, row: int) -> int:
    if cell.strip() not in {str(i) for i in range(len(EMOTIONS))}:
        meaning = ", ".join(f"{i} {name}" for i, name in enumerate(EMOTIONS))
        raise DataError(f"Row {row}, column emotion: {cell!r} is not one of {meaning}. Correct or remove the row.")
    return EXPRESSIONS.index(EMOTIONS[int(cell)])


def _part(cell: str, row: int) -> int:
    if cell.strip() not in _USAGE:
        raise DataError(
            f"Row {row}, column Usage: {cell!r} is not one of {', '.join(_USAGE)}. Correct or remove the row, or "
            "remove the column."
        )
    return _USAGE[cell.strip()]


def _pixels(cell: str, row: int) -> Bytes:
    try:
        values = np.fromstring(cell, dtype=np.int64, sep=" ")  # four times as fast as split
    except (ValueError, DeprecationWarning):
        values = np.empty(0, dtype=np.int64)
    if len(values) != SIDE * SIDE or values.min() < 0 or values.max() > 255:
        found = cell.split()
        wrong = [value for value in found if not (value.isdecimal() and int(value) <= 255)]
        raise DataError(
            f"Row {row}, column pixels: expected {SIDE * SIDE} whole numbers from 0 to 255, found {len(found)} values"
            f"{f', one of them {wrong[0][:30]!r}' if wrong else ''}. Correct or remove the row."
        )
    return values.astype(np.uint8)
