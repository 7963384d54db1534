"""`data.manifest`: a CSV file that says what is in which picture, in place of folder and file names."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from fer_sweep.data.conventions import TEST, TRAINING, VALIDATION, Labelled, Layout
from fer_sweep.data.files import read_text_file
from fer_sweep.errors import DataError

COLUMNS = ("path", "label", "person", "part")
_PARTS = {"train": TRAINING, "validation": VALIDATION, "val": VALIDATION, "test": TEST, "": None}
_EXPLAINED = "Columns, separated by commas: path and label, and if known person and part (train, validation, test)"


def read_manifest(manifest: str, root: Path) -> Layout:
    """The pictures that a manifest lists; their paths are relative to `root`.

    Raises DataError naming row and column for a missing or repeated column, a row of another length, an empty path or
    label, an unknown part, a path that leads out of `root`, has no file or is listed twice.
    """
    text = read_text_file(manifest, setting="data.manifest")
    try:
        rows = list(_rows(text))
    except csv.Error as error:
        raise DataError(f"data.manifest: {manifest} cannot be read as a table: {error}. Check the quotes.") from error
    if not rows:
        raise DataError(f"data.manifest: {manifest} is empty. {_EXPLAINED}.")
    (_, header), *rest = rows
    names = [name.strip() for name in header]
    _check_header(manifest, names)
    pictures: dict[Path, tuple[int, Labelled]] = {}
    for row, cells in rest:
        if len(cells) != len(names):
            raise DataError(
                f"data.manifest: row {row} has {len(cells)} cells, but the header has {len(names)}. Complete it, or "
                "quote cells that contain a comma."
            )
        picture = _picture(row, dict(zip(names, map(str.strip, cells), strict=True)), root)
        if picture.path in pictures:
            raise DataError(
                f"data.manifest: row {row}, column path: {picture.path.relative_to(root).as_posix()!r} is already in "
                f"row {pictures[picture.path][0]}. Keep one of the two rows."
            )
        pictures[picture.path] = (row, picture)
    if not pictures:
        raise DataError(f"data.manifest: {manifest} lists no pictures below its header. Give one row per picture.")
    return Layout("a manifest", tuple(picture for _, picture in pictures.values()))


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, with their numbers as a spreadsheet counts them."""
    for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), start=1):
        if any(cell.strip() for cell in cells):
            yield number, cells


def _check_header(manifest: str, names: Sequence[str]) -> None:
    for name in COLUMNS[:2]:
        if name not in names:
            found = ", ".join(map(repr, names))
            raise DataError(
                f"data.manifest: {manifest} has no column {name}; its first row names {found}. {_EXPLAINED}."
            )
    for name in COLUMNS:
        if names.count(name) > 1:
            raise DataError(f"data.manifest: {manifest} has the column {name} more than once. Keep one of them.")


def _picture(row: int, cells: dict[str, str], root: Path) -> Labelled:
    for name in COLUMNS[:2]:
        if not cells[name]:
            raise DataError(
                f"data.manifest: row {row}, column {name}: empty, but every picture needs one. Fill it in, or remove "
                f"the row ({', '.join(cell for cell in cells.values() if cell)})."
            )
    part = cells.get("part", "")
    if part.lower() not in _PARTS:
        raise DataError(
            f"data.manifest: row {row}, column part: {part!r} is not one of train, validation (or val), test, or empty."
        )
    place = Path(cells["path"])
    if place.is_absolute() or ".." in place.parts:
        raise DataError(
            f"data.manifest: row {row}, column path: {cells['path']!r} is no path below data.path ({root}). Write it "
            "relative to that folder, or name a folder above in data.path."
        )
    if not (root / place).is_file():
        raise DataError(
            f"data.manifest: row {row}, column path: {cells['path']!r} is no file in {root}. Paths are relative to "
            "data.path, and upper and lower case differ."
        )
    return Labelled(root / place, cells["label"], cells.get("person") or None, _PARTS[part.lower()])
