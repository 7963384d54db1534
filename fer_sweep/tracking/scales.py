"""Which kind of axis suits the values of a searched parameter, and how its categories are written."""

from collections.abc import Mapping, Sequence
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
    low, high = min(numbers), max(numbers)
    if drawn_log and low > 0:
        return "log"
    return "log" if low > 0 and high >= LOG_RATIO * low and high >= LOG_LEAN * median(numbers) else "linear"


def label_of(value: Scalar) -> str:
    """A category as it is written in a sweep file."""
    return str(value).lower() if isinstance(value, bool) else str(value)
