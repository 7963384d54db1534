"""Numbers in the cells of a table: missing, not a number, not finite, extreme."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from fer_sweep.data.samples import BoolArray
from fer_sweep.errors import DataError

MissingRule = Literal["drop", "impute", "error"]
Matrix = npt.NDArray[np.float64]

EXTREME = 20.0
"""Values further than this many standard deviations from their column's mean are worth a warning."""

_MISSING = frozenset({"", "na", "nan", "n/a", "#n/a"})
_LARGEST = float(np.finfo(np.float32).max)
_NAMED = 5


def is_missing(cell: object) -> bool:
    """Whether a cell holds no value: empty, NA, N/A, #N/A or NaN in any case."""
    if isinstance(cell, float):
        return math.isnan(cell)
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in _MISSING)


def feature_row(cells: Sequence[object], columns: Sequence[str], row: int) -> list[float]:
    """The numbers of one row, NaN where a value is missing.

    Raises DataError naming row and column for text, a truth value, or a number too large for float32.
    """
    return [_number(cell, column, row) for cell, column in zip(cells, columns, strict=True)]


def _number(cell: object, column: str, row: int) -> float:
    if is_missing(cell):
        return float("nan")
    try:
        if isinstance(cell, bool) or not isinstance(cell, int | float | str):
            raise ValueError
        value = float(cell)
    except ValueError:
        raise DataError(
            f"Row {row}, column {column}: {cell!r} is not a number. Features are numbers such as -0.25 or 1e-3 "
            "(decimal point, no unit); an empty cell, NA or NaN means missing."
        ) from None
    if abs(value) > _LARGEST:
        raise DataError(f"Row {row}, column {column}: {cell!r} is not finite in float32. Correct or empty the cell.")
    return value


def apply_missing_rule(
    x: Matrix, rows: Sequence[str], columns: Sequence[str], rule: MissingRule
) -> tuple[BoolArray, Matrix, tuple[str, ...]]:
    """What to do about NaN in features `x` (N, d): rows to keep (N,), features without NaN (N, d), warnings.

    `drop` keeps complete rows only. `impute` fills in 0.0, a constant, because any statistic of the column would
    carry information from test samples into training. `error` raises DataError. `rows` names each row for messages.
    """
    missing = np.isnan(x)
    incomplete = np.asarray(missing.any(axis=1))
    if not incomplete.any():
        return ~incomplete, x, ()
    named = name_some(
        [
            f"{rows[i]}: " + ", ".join(column for column, absent in zip(columns, missing[i], strict=True) if absent)
            for i in np.flatnonzero(incomplete).tolist()
        ],
        separator="; ",
    )
    if rule == "error":
        raise DataError(f"Missing feature values in {named}. Complete the data, or set data.missing: drop or impute.")
    if rule == "impute":
        return np.ones(len(x), dtype=np.bool_), np.where(missing, 0.0, x), (f"Missing values set to 0 in {named}.",)
    if incomplete.all():
        raise DataError(f"Every row has missing feature values, nothing is left: {named}. Use data.missing: impute.")
    return ~incomplete, x, (f"Dropped for missing feature values: {named}.",)


def extreme_values(x: Matrix, rows: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """A warning that names every value of `x` (N, d) further than EXTREME deviations from its column's mean."""
    spread = x.std(axis=0)
    z = np.abs(x - x.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    found = [
        f"{rows[i]}, column {columns[j]}: {x[i, j]:.6g} lies {z[i, j]:.0f} standard deviations from the mean"
        for i, j in np.argwhere(z > EXTREME)
    ]
    return (f"Extreme values: {name_some(found, separator='; ')}.",) if found else ()


def name_some(names: Sequence[str], separator: str = ", ") -> str:
    """The first few names, and how many more there are."""
    rest = len(names) - _NAMED
    return separator.join(names[:_NAMED]) + (f"{separator}and {rest} more" if rest > 0 else "")
