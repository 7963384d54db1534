"""`source: workbook`: the SFEW feature workbook, 5 LPQ and 5 PHOG principal components per picture.

First sheet, one header row, columns A..L: file name, label 1..7, LPQ1..5, PHOG1..5. Its principal components were
fitted on all pictures together, a leak that no split can undo.
"""

import io
import warnings
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer_sweep.data.cells import apply_missing_rule, extreme_values, feature_row
from fer_sweep.data.files import read_data_file
from fer_sweep.data.labels import EXPRESSIONS, encode_labels
from fer_sweep.data.persons import film_of, franchise_of
from fer_sweep.data.samples import Samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import WorkbookData

FEATURES = tuple(f"{kind}{i}" for kind in ("LPQ", "PHOG") for i in range(1, 6))

_COLUMNS = tuple(f"{letter} ({name})" for letter, name in zip("CDEFGHIJKL", FEATURES, strict=True))
_WIDTH = 2 + len(FEATURES)
_LAYOUT = (
    "Expected on the first sheet: row 1 with `label` in B, a text with LPQ in C and one with PHOG in H; below it in "
    "columns A..L: file name, label 1..7, 5 LPQ and 5 PHOG values. For any other table use data.source: csv."
)


@dataclass(frozen=True)
class _Picture:
    """One data row; `row` as Excel counts it, `name` without extension."""

    row: int
    name: str
    expression: str
    film: str
    features: list[float]

    def __str__(self) -> str:
        return f"row {self.row} ({self.name})"


def load_workbook_samples(config: WorkbookData) -> Samples:
    """The pictures of the workbook, x (N, 10) as stored; a person is a film franchise.

    Ids are file names without extension; a picture that occurs under several labels is kept under each of them as
    `<name>#<class>`. Raises DataError naming row and column for anything that is not as the layout says.
    """
    pictures = _pictures(_cells(config.path))
    ids, repeated = _ids(pictures)
    x = np.array([picture.features for picture in pictures], dtype=np.float64)
    keep, x, missing = apply_missing_rule(x, [str(picture) for picture in pictures], _COLUMNS, config.missing)
    kept = [picture for picture, stays in zip(pictures, keep, strict=True) if stays]
    y, class_names = encode_labels([picture.expression for picture in kept])
    person_names, person = np.unique([franchise_of(picture.film) for picture in kept], return_inverse=True)
    return Samples(
        x=x[keep].astype(np.float32),
        y=y,
        person=person.astype(np.int64),
        ids=tuple(name for name, stays in zip(ids, keep, strict=True) if stays),
        class_names=class_names,
        person_names=tuple(person_names.tolist()),
        columns=FEATURES,
        warnings=(*missing, *repeated, *extreme_values(x[keep], [str(picture) for picture in kept], _COLUMNS)),
    )


def _cells(path: str) -> list[tuple[object, ...]]:
    """All rows of the first sheet."""
    import openpyxl

    content = read_data_file(path)
    try:
        with warnings.catch_warnings():
            # openpyxl warns of what it could not write back (styles, extensions); nothing is written here
            warnings.simplefilter("ignore", UserWarning)
            book = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, SyntaxError, OSError) as error:
        raise DataError(
            f"data.path: {path} is not an Excel workbook (.xlsx): {error}. Save it as .xlsx, or use data.source: csv."
        ) from error
    return list(book.worksheets[0].iter_rows(values_only=True))


def _pictures(rows: Sequence[tuple[object, ...]]) -> list[_Picture]:
    filled = [(i, cells) for i, cells in enumerate(rows, start=1) if any(cell is not None for cell in cells)]
    if not filled:
        raise DataError(f"The workbook's first sheet is empty. {_LAYOUT}")
    data = [(row, cells) for row, cells in filled if row > 1]
    if not data:
        raise DataError(f"The workbook has no data rows. {_LAYOUT}")
    # columns that are merely formatted count as cells in Excel
    width = max(i for _, cells in filled for i, cell in enumerate(cells, start=1) if cell is not None)
    if width != _WIDTH:
        raise DataError(f"The workbook's first sheet has {width} columns, not {_WIDTH}. {_LAYOUT}")
    for letter, index, word in (("B", 1, "label"), ("C", 2, "LPQ"), ("H", 7, "PHOG")):
        if word.lower() not in str(rows[0][index]).lower():
            raise DataError(f"Row 1, column {letter}: the header is {rows[0][index]!r}, without `{word}`. {_LAYOUT}")
    return [_picture(row, cells[:_WIDTH]) for row, cells in data]


def _picture(row: int, cells: tuple[object, ...]) -> _Picture:
    name, label, *features = cells
    film = film_of(name) if isinstance(name, str) else None
    if not isinstance(name, str) or film is None:
        raise DataError(
            f"Row {row}, column A: {name!r} is not an SFEW file name. Expected <film>_<9 digits of time>_<8 digits of "
            "frame>.mat, as in AlexEmma_000225840_00000024.mat; the film is what keeps persons apart."
        )
    if isinstance(label, bool) or not isinstance(label, int | float) or label not in range(1, 8):
        known = ", ".join(f"{i} {expression}" for i, expression in enumerate(EXPRESSIONS, start=1))
        raise DataError(f"Row {row}, column B: label {label!r} is not one of {known}.")
    return _Picture(
        row, name.rsplit(".", 1)[0], EXPRESSIONS[int(label) - 1], film, feature_row(features, _COLUMNS, row)
    )


def _ids(pictures: Sequence[_Picture]) -> tuple[list[str], tuple[str, ...]]:
    """Unique ids, and a warning for every picture that stands under several labels."""
    by_name: defaultdict[str, list[_Picture]] = defaultdict(list)
    for picture in pictures:
        by_name[picture.name].append(picture)
    for name, group in by_name.items():
        if len({picture.expression for picture in group}) < len(group):
            rows = ", ".join(str(picture.row) for picture in group)
            raise DataError(f"Rows {rows}, column A: {name} occurs twice with the same label. Delete all but one.")
    repeated = tuple(
        f"{name} occurs under several labels ("
        + ", ".join(f"{picture.expression} in row {picture.row}" for picture in group)
        + "); all are kept, at most one can be right."
        for name, group in by_name.items()
        if len(group) > 1
    )
    ids = [f"{p.name}#{p.expression}" if len(by_name[p.name]) > 1 else p.name for p in pictures]
    return ids, repeated
