"""Parallel coordinates of a study: one self-contained html page, because plotly's is 4.8 MB and MLflow shows pages in
a sandbox without network."""

import json
from collections.abc import Container, Sequence
from importlib.resources import files
from typing import Any

from fer_sweep.spec.search import Scalar
from fer_sweep.study.rows import TrialRow
from fer_sweep.tracking.scales import categories_of, label_of, scale_of


def parallel_coordinates(
    rows: Sequence[TrialRow], *, metric: str, goal: str, log_scaled: Container[str] = frozenset()
) -> str:
    """An html page: an axis per searched parameter and one for the metric, a line per trial. Pointing at a line shows
    its trial, dragging along an axis selects. log_scaled: parameters with a logarithmic axis in any case. About 10 kB
    and 60 bytes per trial and a few more per parameter."""
    shown = [row for row in rows if row.assignments or row.mean is not None]
    names = dict.fromkeys(name for row in shown for name in row.assignments)
    axes = [_axis(name, shown, log=name in log_scaled) for name in names]
    noun = "trial" if len(shown) == 1 else "trials"
    best = "lowest" if goal == "minimize" else "highest"
    legend = f"Darker: better ({best} {metric}). Orange, dashed: the base (trial 0). Grey, dotted: pruned or failed."
    data = {
        "title": f"{metric} and the searched parameters: {len(shown)} {noun}",
        "legend": legend if axes else f"No trial has a searched parameter. {legend}",
        "metric": metric,
        "goal": goal,
        "axes": axes,
        "trials": [_trial(row, axes) for row in shown],
    }
    page = files("fer_sweep.tracking").joinpath("parallel_coordinates.html").read_text(encoding="utf-8")
    return page.replace("@DATA@", _json_in_html(data))


def _axis(name: str, rows: Sequence[TrialRow], *, log: bool) -> dict[str, Any]:
    values = [row.assignments[name] for row in rows if name in row.assignments]
    scale = scale_of(values, drawn_log=log)
    if scale == "categories":
        return {"name": name, "scale": scale, "categories": categories_of(values)}
    numbers = [_short(value) for value in values]
    whole = all(isinstance(value, int) for value in values)
    return {"name": name, "scale": scale, "low": min(numbers), "high": max(numbers), "whole": whole}


def _trial(row: TrialRow, axes: Sequence[dict[str, Any]]) -> list[Any]:
    """[number, state, mean %, spread %, n, value per axis]; a category is its place in the axis's list."""
    values: list[int | float | None] = []
    for axis in axes:
        value = row.assignments.get(axis["name"])
        if value is None:
            values.append(None)
        elif axis["scale"] == "categories":
            values.append(axis["categories"].index(label_of(value)))
        else:
            values.append(_short(value))
    return [row.number, row.state, _percent(row.mean), _percent(row.spread), row.n, values]


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 3)


def _short(value: Scalar) -> int | float:
    """A number with as many digits as a picture can show."""
    return value if isinstance(value, int) else float(f"{float(value):.4g}")


def _json_in_html(data: dict[str, Any]) -> str:
    """JSON that may stand in a script element: names from a sweep file cannot end it."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
