"""What a search found: values over trials, which parameters mattered, and the metric against each of them."""

from collections.abc import Container, Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from fer_sweep.data.counts import counted
from fer_sweep.spec.search import Scalar
from fer_sweep.study.rows import TrialRow
from fer_sweep.tracking.figures.canvas import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    RED,
    SMALL,
    FloatArray,
    head,
    message,
    new_figure,
    plain,
    png,
)
from fer_sweep.tracking.scales import categories_of, label_of, scale_of

SLICE_COLUMNS = 3
"""More would be shown too small beside MLflow's list of files."""


def best_so_far(rows: Sequence[TrialRow], *, metric: str, goal: str) -> bytes:
    """PNG, 1000 x 460 pixels: each trial's value with its spread over repeats, the best so far as a line, the base
    (trial 0) dashed. Pruned trials are crosses at the value they had; those without a value are at the bottom."""
    title = f"{metric} by trial: {_counts(rows)}"
    complete = [row for row in rows if row.state == "complete" and row.mean is not None]
    if not complete:
        return message(title, "No trial is complete yet.")
    figure = new_figure(10, 4.6)
    axes = figure.subplots()
    numbers, values = np.array([row.number for row in complete]), _percent(complete)
    best = np.maximum.accumulate(values) if goal == "maximize" else np.minimum.accumulate(values)
    spreads = [100 * (row.spread or 0.0) for row in complete]
    axes.errorbar(numbers, values, yerr=spreads, fmt="none", ecolor=BLUE, alpha=0.3, elinewidth=1)
    axes.plot(
        numbers,
        values,
        "o",
        color=BLUE,
        markersize=4.5 if len(rows) < 200 else 3,
        label="complete (bar: ± SD over repeats)",
    )
    end = max(row.number for row in rows)
    steps = np.append(best, best[-1])
    axes.step(
        np.append(numbers, end), steps, where="post", color=ORANGE, linewidth=2, label=f"best so far: {best[-1]:.2f} %"
    )
    base = next((row for row in complete if row.is_base), None)
    if base is not None and base.mean is not None:
        label = f"base (trial 0): {100 * base.mean:.2f} %"
        axes.axhline(100 * base.mean, color=INK, linewidth=1.2, linestyle="--", label=label)
    _mark_unfinished(axes, rows)
    axes.set(xlabel="trial", ylabel=f"{metric}, %", xlim=(-0.5, end + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    plain(axes)
    figure.legend(loc="outside lower left", ncols=5, fontsize=SMALL, frameon=False, handlelength=1.6)
    head(figure, title, f"{'Higher' if goal == 'maximize' else 'Lower'} is better; the best of many is optimistic")
    return png(figure)


def _percent(rows: Sequence[TrialRow]) -> FloatArray:
    return np.array([100 * row.mean for row in rows if row.mean is not None])


def _counts(rows: Sequence[TrialRow]) -> str:
    states = [row.state for row in rows]
    parts = [f"{states.count(s)} {s}" for s in ("complete", "pruned", "failed", "skipped", "running") if s in states]
    return f"{counted(len(rows), 'trial')} ({', '.join(parts)})" if rows else "no trials"


def _mark_unfinished(axes: Axes, rows: Sequence[TrialRow]) -> None:
    pruned = [row for row in rows if row.state == "pruned" and row.mean is not None]
    if pruned:
        numbers = [row.number for row in pruned]
        axes.plot(numbers, _percent(pruned), "x", color=GREY, markersize=4, label="pruned (value when stopped)")
    bottom = axes.get_xaxis_transform()
    for state, marker, color in (("pruned", "x", GREY), ("failed", "^", RED)):
        without = [row.number for row in rows if row.state == state and row.mean is None]
        if without:
            height = np.full(len(without), 0.025)
            axes.plot(without, height, marker, color=color, markersize=5, transform=bottom, label=f"{state}, no value")


def importance(importances: Mapping[str, float]) -> bytes:
    """PNG, 800 pixels wide: one horizontal bar per parameter, the most important on top."""
    title = "How much each searched parameter mattered"
    if not importances:
        return message(title, "Nothing to say yet: it takes 10 complete trials with different values.")
    ordered = sorted(importances.items(), key=lambda item: (item[1], item[0]))
    figure = new_figure(8, 1.25 + 0.3 * len(ordered))
    axes = figure.subplots()
    bars = axes.barh(range(len(ordered)), [value for _, value in ordered], color=BLUE, height=0.7)
    axes.bar_label(bars, fmt="%.2f", padding=4, fontsize=SMALL)
    axes.set_yticks(range(len(ordered)), [name for name, _ in ordered])
    axes.set(xlabel="importance", ylim=(-0.6, len(ordered) - 0.4))
    axes.margins(x=0.1)
    plain(axes)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    head(
        figure,
        title,
        f"Relative importance of {counted(len(ordered), 'parameter')} within this search; not an effect size",
    )
    return png(figure)


def slices(rows: Sequence[TrialRow], *, metric: str, log_scaled: Container[str] = frozenset()) -> bytes:
    """PNG, 270 pixels per column: the metric against each searched parameter, later trials darker, the base ringed.
    log_scaled: parameters with a logarithmic axis in any case."""
    shown = [row for row in rows if row.state == "complete" and row.mean is not None]
    names = list(dict.fromkeys(name for row in shown for name in row.assignments))
    title = f"{metric} against each searched parameter"
    if not names:
        return message(title, "No complete trial has a searched parameter.")
    columns = min(SLICE_COLUMNS, len(names))
    lines = ceil(len(names) / columns)
    figure = new_figure(max(2.7 * columns + 0.9, 5.5), 0.9 + 2.5 * lines)
    panels = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        own = [row for row in shown if name in row.assignments]
        points = _slice(axes, name, own, last=shown[-1].number, log=name in log_scaled)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel(f"{metric}, %")
    bar = figure.colorbar(points, ax=panels.tolist(), label="trial", pad=0.01, aspect=30)
    bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ringed = "; ringed: the base (trial 0)" if any(row.is_base and row.assignments for row in shown) else ""
    head(figure, title, f"{counted(len(shown), 'complete trial')}{ringed}")
    return png(figure)


def _slice(axes: Axes, name: str, rows: Sequence[TrialRow], *, last: int, log: bool) -> PathCollection:
    values = [row.assignments[name] for row in rows]
    numbers, y, scale = np.array([row.number for row in rows]), _percent(rows), scale_of(values, drawn_log=log)
    if scale == "categories":
        x = _strip(axes, values, numbers)
    else:
        x = np.array(values, dtype=np.float64)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        if scale == "log":
            axes.set_xscale("log")
            decades = np.floor(np.log10(x.max())) > np.ceil(np.log10(x.min()))  # two powers of ten or more
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if decades else (1.0, 2.0, 5.0), numticks=5))
        if x.min() == x.max():
            axes.set_xticks([x[0]])
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    points = axes.scatter(x, y, c=numbers, cmap="viridis_r", vmin=0, vmax=max(last, 1), s=22 if len(rows) < 200 else 10)
    base = numbers == 0
    axes.scatter(x[base], y[base], s=60, facecolors="none", edgecolors=RED, linewidths=2)
    axes.set_title(name, loc="left", fontsize=9.5)
    plain(axes)
    return points


def _strip(axes: Axes, values: Sequence[Scalar], numbers: npt.NDArray[np.int64]) -> FloatArray:
    """Positions of a categorical parameter's values, spread a little so that equal ones can be told apart."""
    categories = categories_of(values)
    shorten = [label if len(label) <= 14 else f"{label[:13]}…" for label in categories]
    slant: dict[str, Any] = {}
    if len(categories) > 6:
        slant = {"rotation": 90, "fontsize": SMALL if len(categories) <= 15 else 6}
    elif sum(map(len, shorten)) > 24:
        slant = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(categories)), shorten, **slant)
    axes.set_xlim(-0.5, len(categories) - 0.5)
    places: FloatArray = np.array([categories.index(label_of(value)) for value in values]) + 0.3 * (
        (numbers * 0.618034) % 1 - 0.5
    )
    return places
