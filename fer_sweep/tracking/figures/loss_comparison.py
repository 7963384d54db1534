"""The loss distributions of several trials side by side: where a second mode formed, and what removal took away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

from fer_sweep.tracking.figures.canvas import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    RED,
    SMALL,
    FloatArray,
    carried,
    head,
    message,
    new_figure,
    plain,
    png,
    shortened,
    text_width,
)
from fer_sweep.tracking.figures.losses import BIN_EDGES, IntArray, pooled_histograms
from fer_sweep.training.bimodality import bimodality_over_epochs, chance_level
from fer_sweep.training.records import HISTOGRAM_MAX, NetworkResult, TrialResult

COLUMNS = 3
WIDTH, HEIGHT, HEAT, INDEX = 2.4, 2.85, 1.3, 0.75
"""A trial's place in the grid, and the heights of its heat map and of its index, in inches."""
LEFT, RIGHT, ABOVE, BELOW = 0.6, 0.85, 1.0, 0.4
"""Margins around the grid, in inches; each trial has CAPTION above its heat map."""
CAPTION, GAP = 0.52, 0.2
LEAST_SHARE = 1e-3
"""The lightest colour, as a share of the samples."""
BARS = 50
"""Removals are summed up over this many stretches of the epochs."""


@dataclass(frozen=True, eq=False)
class ComparedTrial:
    """A trial to show: what it is called, what it is in a line, and its result."""

    name: str
    description: str
    result: TrialResult

    @property
    def networks(self) -> list[NetworkResult]:
        """Those that have losses over epochs."""
        return [network for network in self.result.networks if len(network.histogram_epochs)]


@dataclass(frozen=True, eq=False)
class _Modes:
    """epochs, index: (E,) bimodality index, mean over networks; chance: the index of a single mode; removed: (BARS,)
    share of the training samples that went in each stretch of the epochs; gone: share that went in all."""

    epochs: IntArray
    index: FloatArray
    chance: float
    removed: FloatArray
    gone: float


def loss_comparison(trials: Sequence[ComparedTrial], *, title: str) -> bytes:
    """PNG, 865 pixels wide: for each trial a heat map of epoch x training loss, and below it the bimodality index
    (mean over networks, orange where it exceeds what chance does) and the share of the samples that was removed. All
    axes and colours are shared."""
    shown = [trial for trial in trials if trial.networks]
    if not shown:
        return message(title, "No epochs: these models are not trained step by step, so they have no losses over time.")
    rows = -(-len(shown) // COLUMNS)
    figure = new_figure(LEFT + COLUMNS * WIDTH + RIGHT, ABOVE + rows * HEIGHT + BELOW, constrained=False)
    last = max(1, *(network.epochs for trial in shown for network in trial.networks))
    modes = [_modes(trial.networks, last) for trial in shown]
    top = 115 * max(0.05, *(float(max(m.index.max(), m.removed.max(), m.chance)) for m in modes))
    norm = LogNorm(LEAST_SHARE, 1.0)
    for i, (trial, found) in enumerate(zip(shown, modes, strict=True)):
        heat, index = _places(figure, i)
        _heat_map(heat, trial, found, norm)
        _index(index, found, last=last)
        heat.set(xlim=(0, last), ylim=(0, HISTOGRAM_MAX))
        index.set(xlim=(0, last), ylim=(0, top))
        heat.tick_params(labelleft=i % COLUMNS == 0, labelbottom=False, labelsize=SMALL)
        index.tick_params(labelleft=i % COLUMNS == 0, labelsize=SMALL)
        if i % COLUMNS == 0:
            heat.set_ylabel("loss", fontsize=SMALL)
            index.set_ylabel("% of samples", fontsize=SMALL)
        if i + COLUMNS >= len(shown):
            index.set_xlabel("epoch", fontsize=SMALL)
    _scale(figure, min(COLUMNS, len(shown)), norm)
    _legend(figure)
    head(figure, title, "Losses of the training samples in use, all networks of a trial pooled; same axes everywhere")
    return png(figure)


def _modes(networks: Sequence[NetworkResult], last: int) -> _Modes:
    epochs, index = bimodality_over_epochs(networks)
    removed = np.zeros(BARS)
    for network in networks:
        for removal in network.removals:
            removed[min(removal.epoch * BARS // last, BARS - 1)] += removal.net / network.train_size
    removed /= len(networks)
    in_use = float(np.mean([network.active[-1] for network in networks]))
    return _Modes(epochs, index.mean(axis=0), chance_level(round(in_use)), removed, float(removed.sum()))


def _places(figure: Figure, i: int) -> tuple[Axes, Axes]:
    """Axes for the heat map and the index of trial i."""
    width, height = figure.get_size_inches()
    left, top = LEFT + (i % COLUMNS) * WIDTH, ABOVE + (i // COLUMNS) * HEIGHT + CAPTION
    heat = (left / width, 1 - (top + HEAT) / height, (WIDTH - GAP) / width, HEAT / height)
    index = (heat[0], 1 - (top + HEAT + 0.06 + INDEX) / height, heat[2], INDEX / height)
    return figure.add_axes(heat), figure.add_axes(index)


def _heat_map(axes: Axes, trial: ComparedTrial, modes: _Modes, norm: LogNorm) -> None:
    epochs, counts = pooled_histograms(trial.networks)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    edges = np.append(epochs, epochs[-1] + (epochs[-1] - epochs[-2] if len(epochs) > 1 else 1))
    axes.pcolormesh(edges, BIN_EDGES, np.ma.masked_equal(shares.T, 0), cmap="YlGnBu", norm=norm, rasterized=True)
    mean = carried([network.train_loss for network in trial.networks]).mean(axis=0)
    axes.plot(np.arange(len(mean)), mean, color=INK, linewidth=1)
    axes.set_yticks([0, 2, 4, 6])
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, prune="upper"))
    above: dict[str, Any] = {"transform": axes.transAxes, "va": "bottom"}
    axes.text(0, 1.21, shortened(trial.name, WIDTH - GAP - 0.5, 9), fontsize=9, color=INK, weight="bold", **above)
    axes.text(0, 1.02, _in_two_lines(trial.description), fontsize=7, color="#555555", **above)
    if modes.gone:
        axes.text(1, 1.21, f"−{100 * modes.gone:.0f} %", ha="right", fontsize=9, color=RED, **above)


def _in_two_lines(text: str) -> str:
    """As many of its parts as fit into two lines."""
    parts, first = text.split(", "), ""
    while parts and text_width(f"{first}{parts[0]}, ", 7) <= WIDTH - GAP:
        first += f"{parts.pop(0)}, "
    lines = [first, ", ".join(parts)] if first else [text]
    return "\n".join(shortened(line.removesuffix(", "), WIDTH - GAP, 7) for line in lines if line)


def _index(axes: Axes, modes: _Modes, *, last: int) -> None:
    starts = np.arange(BARS) * last / BARS
    axes.bar(starts, 100 * modes.removed, width=last / BARS, align="edge", color=RED, alpha=0.75)
    index, level = 100 * modes.index, 100 * modes.chance
    axes.fill_between(modes.epochs, level, np.maximum(index, level), color=ORANGE, alpha=0.6, linewidth=0)
    axes.axhline(level, color=GREY, linewidth=0.9, linestyle="--")
    axes.plot(modes.epochs, index, color=BLUE, linewidth=1.4)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, prune="upper"))
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    plain(axes)


def _scale(figure: Figure, columns: int, norm: LogNorm) -> None:
    width, height = figure.get_size_inches()
    place = ((LEFT + columns * WIDTH - 0.1) / width, 1 - (ABOVE + CAPTION + HEAT) / height, 0.12 / width, HEAT / height)
    bar = figure.colorbar(ScalarMappable(norm, "YlGnBu"), cax=figure.add_axes(place))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.set_yticks([1e-3, 1e-2, 1e-1, 1.0], ["0.1 %", "1 %", "10 %", "all"], fontsize=SMALL)


def _legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=INK, linewidth=1, label="mean loss"),
        Line2D([], [], color=BLUE, linewidth=1.4, label="bimodality index: samples in a second mode"),
        Line2D([], [], color=GREY, linewidth=0.9, linestyle="--", label="what a single mode stays below (95 %)"),
        Patch(color=ORANGE, alpha=0.6, label="two modes"),
        Patch(color=RED, alpha=0.75, label="removed"),
    ]
    height = figure.get_size_inches()[1]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.0, 1 - 0.52 / height), ncols=3,
                  fontsize=SMALL, frameon=False, handlelength=1.4, columnspacing=1.5)  # fmt: skip
