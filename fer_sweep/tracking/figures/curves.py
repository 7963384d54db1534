"""How the training of one trial went: losses, samples in use, accuracies."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from fer_sweep.tracking.figures.canvas import (
    BLUE,
    GREEN,
    GREY,
    RED,
    SMALL,
    carried,
    head,
    line_with_band,
    message,
    new_figure,
    plain,
    png,
)
from fer_sweep.training.records import EpochReport, TrialResult


def training_curves(result: TrialResult, *, title: str) -> bytes:
    """PNG, 1000 x 640 pixels: training and test loss, accuracies (paper figure 9), loss variance and samples in use per
    epoch (line: mean over networks, band: 10th to 90th percentile of the training series). A network that has ended
    counts with its last value."""
    networks = [network for network in result.networks if len(network.train_loss)]
    if not networks:
        return message(title, "No epochs: this model is not trained step by step, so it has no training curves.")
    figure = new_figure(10, 6.4, constrained=False)  # the layout engine would double the time
    (loss, accuracy), (variance, active) = figure.subplots(
        2, 2, sharex=True, gridspec_kw={"left": 0.055, "right": 0.985, "bottom": 0.08, "top": 0.875, "wspace": 0.13}
    )
    line_with_band(loss, carried([n.train_loss for n in networks]), color=BLUE, label="training")
    _plot(loss, result.reports, [r.test_loss for r in result.reports], color=RED, label="test")
    loss.set_title("loss (cross-entropy)", loc="left", fontsize=10)
    loss.legend(fontsize=SMALL, loc="best", framealpha=0.9)
    line_with_band(variance, carried([n.loss_variance for n in networks]), color=BLUE)
    variance.set_title("variance of the training losses", loc="left", fontsize=10)
    line_with_band(active, carried([n.active[: n.epochs + 1] for n in networks]), color=BLUE)
    active.set_title("training samples in use", loc="left", fontsize=10)
    for panel in (loss, variance, active):
        panel.set_ylim(0, 1.1 * panel.get_ylim()[1])
    _accuracies(accuracy, result.reports, classes=networks[0].test_probabilities.shape[1])
    for panel in (loss, accuracy, variance, active):
        plain(panel)
    for panel in (variance, active):
        panel.set(xlabel="epoch", xlim=(0, max(n.epochs for n in networks) or 1))
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for panel in (loss, variance, active):
        _mark_ends(panel, [n.epochs for n in networks])
    head(figure, title, _explanation([n.epochs for n in networks]))
    return png(figure)


def _explanation(ends: Sequence[int]) -> str:
    n, early = len(ends), sum(end < max(ends) for end in ends)
    if n == 1:
        return "1 network"
    text = f"Line: mean of {n} networks; band: 10th to 90th percentile"
    return f"{text}; ▾: a network ended ({early} of {n}), and counts with its last value" if early else text


def _mark_ends(axes: Axes, ends: Sequence[int]) -> None:
    early = [end for end in ends if end < max(ends)]
    height = np.full(len(early), 0.97)
    axes.plot(early, height, "v", color=RED, markersize=5, transform=axes.get_xaxis_transform())


def _accuracies(axes: Axes, reports: Sequence[EpochReport], *, classes: int) -> None:
    axes.set_title("accuracy, %", loc="left", fontsize=10)
    _plot(axes, reports, [100 * r.train_accuracy for r in reports], color=BLUE, label="training (samples in use)")
    validation = [100 * r.validation.accuracy if r.validation is not None else np.nan for r in reports]
    _plot(axes, reports, validation, color=GREEN, label="validation", linestyle="--")
    _plot(axes, reports, [100 * report.test.accuracy for report in reports], color=RED, label="test")
    axes.axhline(100 / classes, color=GREY, linewidth=1, linestyle=":", label=f"1 of {classes} classes by chance")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.legend(fontsize=SMALL, loc="best", framealpha=0.9)


def _plot(
    axes: Axes, reports: Sequence[EpochReport], values: Sequence[float], *, color: str, label: str, linestyle: str = "-"
) -> None:
    """A line of reported values; nothing where there are none."""
    if np.isfinite(values).any():
        axes.plot([r.epoch for r in reports], values, color=color, linewidth=1.6, label=label, linestyle=linestyle)
