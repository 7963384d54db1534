"""`source: csv`: any feature table in a text file, one row per sample below a header row."""

import csv
import difflib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer_sweep.data.cells import Matrix, apply_missing_rule, extreme_values, feature_row, is_missing
from fer_sweep.data.files import read_text_file
from fer_sweep.data.labels import encode_labels
from fer_sweep.data.samples import Samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import CsvData

_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class _Table:
    """Header, and the rows that are not blank with their numbers as a spreadsheet counts them."""

    header: list[str]
    numbers: list[int]
    rows: list[list[str]]

    def column(self, name: str, option: str) -> list[str]:
        """The filled cells of column `name`, which `option` of the data section asked for."""
        index = self.index(name, option)
        for number, cells in zip(self.numbers, self.rows, strict=True):
            if is_missing(cells[index]):
                raise DataError(f"Row {number}, column {name}: empty, but data.{option} needs a value in every row.")
        return [cells[index].strip() for cells in self.rows]

    def index(self, name: str, option: str) -> int:
        if name in self.header:
            return self.header.index(name)
        near = difflib.get_close_matches(name, self.header, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise DataError(f"data.{option}: no column {name!r}.{hint} The columns are: {', '.join(self.header)}.")


def load_csv_samples(config: CsvData) -> Samples:
    """The rows of a UTF-8 file separated by comma, semicolon or tab; x (N, d) in the order of `features`.

    Class order is that of `encode_labels`. Missing feature values are dropped, set to 0 or refused as
    `config.missing` says. Raises DataError naming row and column where the file is not such a table.
    """
    table = _read(config.path, config.label)
    labels = table.column(config.label, "label")
    ids = _ids(table, config.id)
    persons = ids if config.person is None else table.column(config.person, "person")
    columns = _feature_columns(table, config)
    x = _features(table, columns)
    names = [_row_name(number, name) for number, name in zip(table.numbers, ids, strict=True)]
    keep, x, missing = apply_missing_rule(x, names, columns, config.missing)
    kept = np.flatnonzero(keep).tolist()
    y, class_names = encode_labels([labels[i] for i in kept])
    person_names, person = np.unique([persons[i] for i in kept], return_inverse=True)
    warnings = (*missing, *extreme_values(x[keep], [names[i] for i in kept], columns))
    if config.person is None:
        warnings += ("No data.person column: every row counts as its own person, so split: person guarantees nothing.",)
    return Samples(
        x=x[keep].astype(np.float32),
        y=y,
        person=person.astype(np.int64),
        ids=tuple(ids[i] for i in kept),
        class_names=class_names,
        person_names=tuple(person_names.tolist()),
        columns=columns,
        warnings=warnings,
    )


def read_features(path: str, names: Sequence[str]) -> tuple[list[int], Matrix]:
    """The columns `names` of any feature table: numbers of the rows as a spreadsheet counts them, and values (N, d),
    NaN where one is missing. Other columns may hold anything.

    Raises DataError if the file is no such table.
    """
    table = _read(path, names[0])
    if lacking := [name for name in names if name not in table.header]:
        raise DataError(
            f"{path} lacks the columns {', '.join(lacking)}. Needed are {', '.join(names)}; its columns are "
            f"{', '.join(table.header)}."
        )
    index = [table.header.index(name) for name in names]
    rows = zip(table.numbers, table.rows, strict=True)
    return table.numbers, np.array([feature_row([cells[i] for i in index], names, number) for number, cells in rows])


def _read(path: str, column: str) -> _Table:
    """The table in a file that should have this column."""
    text = read_text_file(path)
    delimiter = _delimiter(text, column)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a table: {error}. Check the quotes.") from error
    filled = [(number, cells) for number, cells in enumerate(lines, start=1) if any(cell.strip() for cell in cells)]
    if not filled:
        raise DataError(f"{path} is empty. A header row and one row per sample are needed.")
    (_, first), *rest = filled
    header = [cell.strip() for cell in first]
    repeated = [name for name, count in Counter(header).items() if name and count > 1]
    if repeated:
        raise DataError(f"The header names column {repeated[0]} more than once. Rename all but one.")
    if not rest:
        raise DataError(f"{path} has a header but no rows.")
    for number, cells in rest:
        if len(cells) != len(header):
            raise DataError(
                f"Row {number} has {len(cells)} cells, but the header has {len(header)} (delimiter {delimiter!r}). "
                "Complete the row, or quote cells that contain the delimiter."
            )
    return _Table(header, [number for number, _ in rest], [cells for _, cells in rest])


def _delimiter(text: str, column: str) -> str:
    """The delimiter under which the first line has the wanted column, else the most cells."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    def quality(delimiter: str) -> tuple[bool, int]:
        cells = next(csv.reader([first], delimiter=delimiter), [])
        return column in [cell.strip() for cell in cells], len(cells)

    return max(_DELIMITERS, key=quality)


def _ids(table: _Table, column: str | None) -> list[str]:
    if column is None:
        return [f"row-{number}" for number in table.numbers]
    ids = table.column(column, "id")
    first: dict[str, int] = {}
    for number, name in zip(table.numbers, ids, strict=True):
        if name in first:
            raise DataError(f"Row {number}, column {column}: {name!r} already names row {first[name]}. Ids are unique.")
        first[name] = number
    return ids


def _feature_columns(table: _Table, config: CsvData) -> tuple[str, ...]:
    special = {config.label, config.person, config.id}
    if config.features is not None:
        clash = [name for name in config.features if name in special]
        if clash:
            raise DataError(f"data.features: {clash[0]} is the label, person or id column. Leave it out.")
        repeated = [name for name, count in Counter(config.features).items() if count > 1]
        if repeated:
            raise DataError(f"data.features: {repeated[0]} is named more than once. Name each column once.")
        return config.features
    columns = tuple(name for name in table.header if name not in special)
    if "" in columns:
        raise DataError(
            f"Column {table.header.index('') + 1} of the header has no name; it may be a row index. "
            "Name or remove it, or list the feature columns in data.features."
        )
    if not columns:
        raise DataError("No feature columns are left besides the label, person and id. Add numeric columns.")
    return columns


def _features(table: _Table, columns: Sequence[str]) -> Matrix:
    index = [table.index(name, "features") for name in columns]
    return np.array(
        [
            feature_row([cells[i] for i in index], columns, number)
            for number, cells in zip(table.numbers, table.rows, strict=True)
        ],
        dtype=np.float64,
    )


def _row_name(number: int, name: str) -> str:
    return f"row {number}" if name == f"row-{number}" else f"row {number} ({name})"
