"""`data.manifest`: a CSV file that says what is in which picture, in place of folder and file names."""

import csv
import io
from pathlib import Path

from fer_sweep.data.conventions import TEST, TRAINING, VALIDATION, Labelled, Layout
from fer_sweep.data.files import read_data_file
from fer_sweep.errors import DataError

COLUMNS = ("path", "label", "person", "part")
_PARTS = {"train": TRAINING, "validation": VALIDATION, "val": VALIDATION, "test": TEST, "": None}


def read_manifest(manifest: str, root: Path) -> Layout:
    """The pictures that a manifest lists; their paths are relative to `root`.

    Raises DataError naming the row for a missing column, an empty label, an unknown part or a file that is not there.
    """
    text = read_data_file(manifest).decode("utf-8-sig", errors="replace")
    reader = csv.DictReader(io.StringIO(text))
    missing = [name for name in COLUMNS[:2] if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"data.manifest: {manifest} has no column {missing[0]}. Columns: path and label, and if known person and "
            "part (train, validation, test)."
        )
    pictures = []
    for row, cells in enumerate(reader, start=2):
        values = {name: (cells.get(name) or "").strip() for name in COLUMNS}
        if not values["label"]:
            raise DataError(f"data.manifest: row {row} has no label for {values['path']!r}.")
        if values["part"].lower() not in _PARTS:
            raise DataError(
                f"data.manifest: row {row}: part {values['part']!r} is not one of train, validation, test or empty."
            )
        path = root / values["path"]
        if not path.is_file():
            raise DataError(
                f"data.manifest: row {row}: {values['path']!r} is not in {root}. Paths are relative to data.path."
            )
        pictures.append(Labelled(path, values["label"], values["person"] or None, _PARTS[values["part"].lower()]))
    if not pictures:
        raise DataError(f"data.manifest: {manifest} lists no pictures.")
    return Layout("a manifest", tuple(pictures))
