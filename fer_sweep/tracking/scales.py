"""Which kind of axis suits the values of a searched parameter, and how its categories are written."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Literal

from fer_sweep.spec.search import Parameter, Scalar

Scale = Literal["linear", "log", "categories"]

LOG_RATIO = 30.0
LOG_LEAN = 5.0
"""Positive numbers are drawn on a logarithmic axis when the largest is LOG_RATIO times the smallest or more, and
LOG_LEAN times the median or more: many uniform draws from (0, 1) reach near 0 too, but with the median mid-way."""


def logarithmic(parameters: Mapping[str, Parameter]) -> frozenset[str]:
    """Paths of the searched parameters that are drawn log-uniformly."""
    return frozenset(path for path, parameter in parameters.items() if "log" in parameter.distribution)


def scale_of(values: Sequence[Scalar], *, drawn_log: bool = False) -> Scale:
    """The axis for the values that trials had. drawn_log: whether they were drawn log-uniformly."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if not numbers or len(numbers) < len(values):
        return "categories"
    if any(isinstance(v, int) and v > 1 for v in numbers) and any(isinstance(v, float) and 0 < v < 1 for v in numbers):
        return "categories"  # counts and shares, as features.components has them: 0.9 is more than 5
    low, high = min(numbers), max(numbers)
    if drawn_log and low > 0:
        return "log"
    return "log" if low > 0 and high >= LOG_RATIO * low and high >= LOG_LEAN * median(numbers) else "linear"


def categories_of(values: Iterable[Scalar]) -> list[str]:
    """Different values as they are written, in the order of their axis: counts, fractions, words."""

    def place(value: Scalar) -> tuple[int, float, str]:
        if isinstance(value, bool | str):
            return 2, 0.0, label_of(value)
        return int(isinstance(value, float)), value, ""

    return list(dict.fromkeys(label_of(value) for value in sorted(values, key=place)))


def label_of(value: Scalar) -> str:
    """A category as it is written in a sweep file."""
    return str(value).lower() if isinstance(value, bool) else str(value)
