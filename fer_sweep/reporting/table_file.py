"""A table of a report as a file to compute with: one number per cell."""

import csv
import io
import re

from fer_sweep.reporting.document import Table

_SEVERAL = (
    (re.compile(r"(\S+) ± (\S+)"), ("", ", SD")),
    (re.compile(r"\[(\S+), (\S+)\]"), (", low", ", high")),
    (re.compile(r"(\S+) \[(\S+), (\S+)\]"), ("", ", low", ", high")),
)
"""Cells of several numbers, and what is added to the column's name for each of them."""
_NOTHING = "–"


def as_csv(table: Table) -> str:
    """CSV with a header. `24.1 ± 1.5` becomes two columns (the second is called `..., SD`), `[20.6, 27.5]` two (`...,
    low` and `..., high`), `+1.2 [−0.5, +2.9]` three; signs are ASCII, and what is not known is empty."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    columns = [
        _column(name, tuple(row[place] for row in table.rows)) for place, name in enumerate(_distinct(table.header))
    ]
    writer.writerow([name for names, _ in columns for name in names])
    writer.writerows([[cell for _, rows in columns for cell in rows[index]] for index in range(len(table.rows))])
    return written.getvalue()


def _distinct(header: tuple[str, ...]) -> list[str]:
    """The names of the columns; one that comes again (n, p) says which column it is about, the one before it."""
    return [
        f"{before}, {name}" if name and header.count(name) > 1 else name
        for before, name in zip(("", *header), header, strict=False)
    ]


def _column(name: str, cells: tuple[str, ...]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The columns of the file that a column of the table becomes: their names, and the values of each row."""
    for pattern, endings in _SEVERAL:
        if any(pattern.fullmatch(cell) for cell in cells):
            return tuple(name + ending for ending in endings), [_parts(pattern, cell, len(endings)) for cell in cells]
    return (name,), [(_plain(cell),) for cell in cells]


def _parts(pattern: re.Pattern[str], cell: str, count: int) -> tuple[str, ...]:
    found = pattern.fullmatch(cell)
    return (_plain(cell), *[""] * (count - 1)) if found is None else tuple(map(_plain, found.groups()))


def _plain(text: str) -> str:
    return "" if text == _NOTHING else text.replace("−", "-")
