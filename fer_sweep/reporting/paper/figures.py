"""The kinds of picture that the paper has, of our numbers: lines over epochs, histograms of errors, scores, classes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import ScalarFormatter

from fer_sweep.tracking.figures.canvas import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    SMALL,
    FloatArray,
    head,
    line_with_band,
    new_figure,
    plain,
    png,
)
from fer_sweep.training.records import HISTOGRAM_BINS, HISTOGRAM_MAX

Limits = tuple[float | None, float | None]
"""Of an axis; None: as the data ask."""
COLORS = (BLUE, RED, GREEN, ORANGE, "#cc79a7", "#56b4e9", GREY, INK)


@dataclass(frozen=True, eq=False)
class Panel:
    """A histogram of one network's training errors. counts: (HISTOGRAM_BINS,)."""

    title: str
    counts: npt.NDArray[np.int32]
    threshold: float | None = None


def lines(title: str, series: Mapping[str, FloatArray], *, ylabel: str, limits: Limits = (0, None)) -> bytes:
    """PNG, 760 x 400 pixels: mean over networks and 10th to 90th percentile, over epochs. series: label -> (networks,
    E+1)."""
    figure = new_figure(7.6, 4.0)
    axes = figure.subplots()
    for color, (label, values) in zip(COLORS, series.items(), strict=False):
        line_with_band(axes, values, color=color, label=label)
    axes.set(xlabel="epoch", ylabel=ylabel, xlim=(0, max(values.shape[1] for values in series.values()) - 1))
    axes.set_ylim(*limits)
    axes.legend(fontsize=SMALL, frameon=False)
    plain(axes)
    networks = {len(values) for values in series.values()}
    head(figure, title, f"Mean of {', '.join(map(str, sorted(networks)))} networks; band: 10th to 90th percentile")
    return png(figure)


def error_histograms(title: str, panels: Sequence[Panel]) -> bytes:
    """PNG, 760 x 330 pixels: errors of one network's training samples; a red line is the threshold of equation 6."""
    figure = new_figure(7.6, 3.3)
    edges = np.linspace(0, HISTOGRAM_MAX, HISTOGRAM_BINS + 1)
    for axes, panel in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        axes.stairs(panel.counts, edges, fill=True, color=BLUE)
        if panel.threshold is not None:
            axes.axvline(min(panel.threshold, HISTOGRAM_MAX), color=RED, linewidth=1.6)
        axes.set_title(panel.title, loc="left", fontsize=9.5)
        axes.set(xlabel="cross-entropy error", ylabel="training samples")
        plain(axes)
    head(figure, title, "One network (repeat 0, fold 0)")
    return png(figure)


def scores(title: str, groups: Mapping[str, Sequence[tuple[float, float, float | None]]], *, xlabel: str) -> bytes:
    """PNG, 760 x 400 pixels: accuracy over a parameter. groups: label -> (value, mean, spread over repeats), shares."""
    figure = new_figure(7.6, 4.0)
    axes = figure.subplots()
    for color, (label, points) in zip(COLORS, groups.items(), strict=False):
        x, mean = [p[0] for p in points], [100 * p[1] for p in points]
        axes.errorbar(
            x, mean, yerr=[100 * (p[2] or 0.0) for p in points], color=color, label=label, capsize=2, marker="o"
        )
    axes.set_xscale("log")
    axes.set_xticks(_with_room({p[0] for points in groups.values() for p in points}))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.set(xlabel=xlabel, ylabel="test accuracy, %")
    axes.legend(fontsize=SMALL, frameon=False)
    plain(axes)
    head(figure, title, "Bars: ± standard deviation over repeats")
    return png(figure)


def _with_room(values: Collection[float]) -> list[float]:
    """Those of the values whose labels do not overlap on a logarithmic axis."""
    shown: list[float] = []
    for value in sorted(values):
        if not shown or value > 1.3 * shown[-1]:
            shown.append(value)
    return shown


def class_distribution(title: str, groups: Mapping[str, Sequence[int]], class_names: Sequence[str]) -> bytes:
    """PNG, 1000 x 330 pixels: samples of each class. groups: label -> (C,) counts."""
    figure = new_figure(10, 3.3)
    for axes, (label, counts) in zip(np.atleast_1d(figure.subplots(1, len(groups))), groups.items(), strict=True):
        bars = axes.bar(range(len(counts)), counts, color=BLUE)
        axes.bar_label(bars, fontsize=SMALL)
        axes.set_xticks(range(len(counts)), class_names, rotation=45, ha="right", fontsize=SMALL)
        axes.set_title(f"{label}: {sum(counts)} samples", loc="left", fontsize=9.5)
        axes.set(ylabel="samples")
        plain(axes)
    head(figure, title)
    return png(figure)
