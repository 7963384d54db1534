"""How numbers and settings of trials are written in tables, on the terminal and in reports."""

from fer_sweep.spec.search import Scalar
from fer_sweep.study.rows import Part
from fer_sweep.study.statistics import Comparison
from fer_sweep.training.metrics import Estimate


def trial_name(number: int) -> str:
    """`base` for trial 0."""
    return "base" if number == 0 else str(number)


def metric_of(part: Part, metric: str) -> str:
    """`validation accuracy`; a score of the test part is called by the metric alone."""
    return metric if part == "test" else f"{part} {metric}"


def percent(share: float | None) -> str:
    """Two decimals; a dash for what is not known."""
    return "–" if share is None else f"{100 * share:.2f}"


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * share:+.2f}"


def interval(comparison: Comparison) -> str:
    """`[-1.20, +2.30]`, in percentage points."""
    return f"[{points(comparison.low)}, {points(comparison.high)}]"


def with_spread(estimate: Estimate) -> str:
    """`17.51 ± 1.09`; without a spread, the mean alone."""
    return percent(estimate.mean) + ("" if estimate.spread is None else f" ± {percent(estimate.spread)}")


def setting(value: Scalar) -> str:
    """As a sweep file writes it, with four digits."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)
