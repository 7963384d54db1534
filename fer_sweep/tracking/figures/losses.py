"""How the training samples' losses are distributed over the epochs: the two modes, the thresholds, who went."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

from fer_sweep.data.counts import counted
from fer_sweep.tracking.figures.canvas import (
    BLUE,
    GREY,
    INK,
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
from fer_sweep.training.records import HISTOGRAM_BINS, HISTOGRAM_MAX, NetworkResult, Removal, TrialResult

BIN_EDGES = np.linspace(0.0, HISTOGRAM_MAX, HISTOGRAM_BINS + 1)
SNAPSHOTS = 4

IntArray = npt.NDArray[np.int64]


def loss_histograms(
    result: TrialResult, *, title: str, removal_error: Literal["cross_entropy", "half_sse"] = "cross_entropy"
) -> bytes:
    """PNG, 1000 x 880 pixels: a heat map of epoch x training loss, the loss variance, and snapshots of one network.

    The heat map pools all networks; a network that has ended counts with its last histogram, as it does in the reports.
    Removals and snapshots are of the first network. Thresholds are drawn only if they are cross-entropies.
    """
    networks = [network for network in result.networks if len(network.histogram_epochs)]
    if not networks:
        return message(title, "No epochs: this model is not trained step by step, so it has no losses over time.")
    shown, in_loss = networks[0], removal_error == "cross_entropy"
    figure = new_figure(10, 8.8, constrained=False)
    heat = figure.add_axes((0.065, 0.49, 0.835, 0.395))
    _heat_map(heat, figure.add_axes((0.912, 0.49, 0.013, 0.395)), networks)
    _removals(heat, shown, in_loss=in_loss)
    _legend(heat, networks, in_loss=in_loss)
    _variance(figure.add_axes((0.065, 0.345, 0.835, 0.11), sharex=heat), networks)
    figure.text(0.01, 0.268, f"One network: {_name(shown)}", fontsize=10, color=INK)
    first = figure.add_axes((0.065, 0.055, 0.2, 0.17))
    places = [
        first,
        *(figure.add_axes((0.065 + 0.24 * i, 0.055, 0.2, 0.17), sharey=first) for i in range(1, SNAPSHOTS)),
    ]
    _snapshots(places, shown, in_loss=in_loss)
    head(
        figure, title, f"Cross-entropy of the training samples still in use, {counted(len(networks), 'network')} pooled"
    )
    return png(figure)


def pooled_histograms(networks: Sequence[NetworkResult]) -> tuple[IntArray, IntArray]:
    """(H,) epochs at which any network was looked at and (H, HISTOGRAM_BINS) counts over all networks, each with its
    latest histogram at that epoch."""
    epochs = np.unique(np.concatenate([n.histogram_epochs for n in networks]))
    counts = np.zeros((len(epochs), HISTOGRAM_BINS), dtype=np.int64)
    for network in networks:
        latest = np.searchsorted(network.histogram_epochs, epochs, side="right") - 1
        counts += network.histograms[np.maximum(latest, 0)]
    return epochs, counts


def _heat_map(axes: Axes, bar_axes: Axes, networks: Sequence[NetworkResult]) -> None:
    epochs, counts = pooled_histograms(networks)
    last_width = epochs[-1] - epochs[-2] if len(epochs) > 1 else 1
    edges = np.append(epochs, epochs[-1] + last_width)
    mesh = axes.pcolormesh(
        edges,
        BIN_EDGES,
        np.ma.masked_equal(counts.T, 0),
        cmap="YlGnBu",
        norm=LogNorm(0.7, max(int(counts.max()), 2)),
        rasterized=True,
    )
    mean = carried([n.train_loss for n in networks]).mean(axis=0)
    axes.plot(np.arange(len(mean)), mean, color=INK, linewidth=1.8)
    last = max(n.epochs for n in networks)
    ended = [n.epochs for n in networks if n.epochs < last]
    axes.plot(ended, np.full(len(ended), HISTOGRAM_MAX * 0.975), "v", color=INK, markersize=7, clip_on=False)
    axes.set(ylim=(0, HISTOGRAM_MAX), xlim=(0, max(last, 1)), ylabel="loss (top bin: 5.9 and more)")
    axes.tick_params(labelbottom=False)
    axes.figure.colorbar(mesh, cax=bar_axes, label="samples")
    bar_axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    bar_axes.yaxis.set_minor_locator(NullLocator())  # minor ticks cost a third of the picture's time


def _removals(axes: Axes, network: NetworkResult, *, in_loss: bool) -> None:
    """From the threshold up, a red line where samples went, with how many above the axes where there is room."""
    left, right = axes.get_xlim()
    last_label = -np.inf
    for removal in (removal for removal in network.removals if removal.net > 0):
        threshold = _threshold(removal, in_loss=in_loss)
        axes.vlines(removal.epoch, threshold or 0.0, HISTOGRAM_MAX, color=RED, linewidth=1.3)
        if threshold is not None:
            axes.plot(removal.epoch, threshold, "_", color=RED, markersize=11, markeredgewidth=2.4)
        if removal.epoch - last_label > 0.04 * (right - left):
            axes.annotate(
                f"−{removal.net}",
                (removal.epoch, HISTOGRAM_MAX),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=SMALL,
                color=RED,
            )
            last_label = removal.epoch


def _threshold(removal: Removal, *, in_loss: bool) -> float | None:
    """The threshold on the loss axis, or None when the rule has none or measures in other units."""
    return min(removal.threshold, HISTOGRAM_MAX) if in_loss and np.isfinite(removal.threshold) else None


def _legend(axes: Axes, networks: Sequence[NetworkResult], *, in_loss: bool) -> None:
    shown = networks[0]
    handles = [Line2D([], [], color=INK, linewidth=1.8, label="mean loss")]
    if shown.removals:
        removed = len(shown.left_out)
        drawn = any(_threshold(r, in_loss=in_loss) is not None for r in shown.removals)
        what = "threshold and removed samples" if drawn else "removed samples"
        label = f"{what}, {_name(shown)} (−{removed} of {shown.train_size})"
        handles.append(Line2D([], [], color=RED, linewidth=1.6, marker="_" if drawn else "", label=label))
    last = max(n.epochs for n in networks)
    early = sum(n.epochs < last for n in networks)
    if early:
        label = f"a network ended ({early} of {len(networks)}), and counts as it was then"
        handles.append(Line2D([], [], color=INK, marker="v", linestyle="", markersize=7, label=label))
    axes.legend(
        handles=handles,
        fontsize=SMALL,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.035),
        ncols=3,
        frameon=False,
        handlelength=1.4,
        columnspacing=1.5,
        borderaxespad=0,
    )


def _name(network: NetworkResult) -> str:
    return f"repeat {network.repeat}, fold {network.fold}"


def _variance(axes: Axes, networks: Sequence[NetworkResult]) -> None:
    line_with_band(axes, carried([n.loss_variance for n in networks]), color=BLUE, label="mean over networks")
    if len(networks) > 1:
        own = networks[0].loss_variance
        axes.plot(np.arange(len(own)), own, color=GREY, linewidth=1.1, label=_name(networks[0]))
        axes.legend(
            fontsize=SMALL, loc="lower right", bbox_to_anchor=(1, 0.92), ncols=2, frameon=False, borderaxespad=0
        )
    axes.set(xlabel="epoch", ylabel="loss variance")
    axes.set_ylim(0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    plain(axes)


def _snapshot_epochs(network: NetworkResult) -> list[int]:
    """Up to SNAPSHOTS recorded epochs: early, at the first and the last removal, and the end; without removals early
    ones and the end, because losses move fastest at first."""
    recorded = network.histogram_epochs
    end = int(recorded[-1])
    if network.removals:
        first, last = network.removals[0].epoch, network.removals[-1].epoch
        wanted = [first / 2, first, last, end] if first < last else [0, first / 2, first, end]
    else:
        wanted = [0, end * 0.1, end * 0.4, end]
    return sorted({int(recorded[np.abs(recorded - epoch).argmin()]) for epoch in wanted})


def _snapshots(places: Sequence[Axes], network: NetworkResult, *, in_loss: bool) -> None:
    epochs = _snapshot_epochs(network)
    by_epoch = dict(zip(network.histogram_epochs.tolist(), network.histograms, strict=True))
    removals = {removal.epoch: removal for removal in network.removals}
    for axes, epoch in zip(places, epochs, strict=False):
        _snapshot(axes, epoch, by_epoch[epoch], removals.get(epoch), in_loss=in_loss)
    for axes in places[len(epochs) :]:
        axes.set_visible(False)
    highest = max(int(by_epoch[epoch].max()) for epoch in epochs)
    places[0].set_ylim(0.7, 2 * highest)
    places[0].set_ylabel("samples (log)")
    places[0].yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _snapshot(axes: Axes, epoch: int, counts: npt.NDArray[np.int32], removal: Removal | None, *, in_loss: bool) -> None:
    """One histogram; the samples that go at this epoch are red on top of the bars."""
    heading, kept = f"epoch {epoch}: {counts.sum()} samples", counts
    if removal is not None:
        heading += f", {len(removal.removed)} go"
        if in_loss:
            going, _ = np.histogram(np.clip(removal.errors, 0, HISTOGRAM_MAX), bins=BIN_EDGES)
            kept = np.maximum(counts - going, 0)
            axes.stairs(counts, BIN_EDGES, baseline=0.1, fill=True, color=RED)
        threshold = _threshold(removal, in_loss=in_loss)
        if threshold is not None:
            axes.axvline(threshold, color=RED, linewidth=1.4, linestyle="--")
            top = axes.get_xaxis_transform()
            axes.text(threshold + 0.1, 0.98, f"{threshold:.2f}", color=RED, fontsize=SMALL, va="top", transform=top)
    axes.stairs(kept, BIN_EDGES, baseline=0.1, fill=True, color=BLUE)
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set(xlim=(0, HISTOGRAM_MAX), xlabel="loss")
    axes.set_title(heading, loc="left", fontsize=9.5)
    plain(axes)
