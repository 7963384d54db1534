"""Which kind of axis suits the values of a searched parameter, and how its categories are written."""

from collections.abc import Sequence
from statistics import median
from typing import Literal

from fer_sweep.spec.search import Scalar

Scale = Literal["linear", "log", "categories"]

LOG_RATIO = 30.0
LOG_LEAN = 5.0
"""Positive numbers are drawn on a logarithmic axis when the largest is LOG_RATIO times the smallest or more, and
LOG_LEAN times the median or more: many uniform draws from (0, 1) reach near 0 too, but with the median mid-way."""


def scale_of(values: Sequence[Scalar]) -> Scale:
    """The axis for the values that trials had."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if not numbers or len(numbers) < len(values):
        return "categories"
    low, high = min(numbers), max(numbers)
    return "log" if low > 0 and high >= LOG_RATIO * low and high >= LOG_LEAN * median(numbers) else "linear"


def label_of(value: Scalar) -> str:
    """A category as it is written in a sweep file."""
    return str(value).lower() if isinstance(value, bool) else str(value)
