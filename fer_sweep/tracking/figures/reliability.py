"""Whether a trial's confidence can be believed: the reliability diagram."""

import numpy as np
from matplotlib.ticker import MultipleLocator

from fer_sweep.tracking.figures.canvas import BLUE, GREY, INK, RED, SMALL, head, new_figure, plain, png
from fer_sweep.training.calibration import BINS, Calibration

EDGES = np.linspace(0.0, 100.0, BINS + 1)


def reliability(calibration: Calibration, *, title: str) -> bytes:
    """PNG, 620 x 560 pixels: accuracy against confidence on the test folds, all networks pooled, and below how many
    predictions each bar stands for."""
    bins = calibration.pooled
    figure = new_figure(6.2, 5.6, constrained=False)
    axes = figure.add_axes((0.115, 0.345, 0.855, 0.515))
    below = figure.add_axes((0.115, 0.09, 0.855, 0.175))
    known = bins.counts > 0
    accuracy, confidence = 100 * np.nan_to_num(bins.accuracy), 100 * bins.confidence[known]
    axes.stairs(accuracy, EDGES, fill=True, color=BLUE, label="accuracy")
    axes.vlines(confidence, accuracy[known], confidence, color=RED, linewidth=1.6, label="gap to the mean confidence")
    axes.plot(confidence, confidence, "o", color=RED, markersize=3.5)
    axes.plot([0, 100], [0, 100], color=GREY, linewidth=1, linestyle=":", label="perfectly calibrated")
    axes.set(xlim=(0, 100), ylim=(0, 100), ylabel="right predictions, %")
    axes.legend(fontsize=SMALL, loc="upper left", frameon=False)
    below.stairs(bins.counts, EDGES, fill=True, color=GREY)
    for left, count in zip(EDGES, bins.counts, strict=False):
        if count:
            below.text(left + 50 / BINS, count, f"{count:,}", ha="center", va="bottom", fontsize=6.5, color=INK)
    below.set(xlim=(0, 100), ylim=(0, 1.25 * bins.counts.max()), xlabel="confidence in the predicted class, %")
    below.set_ylabel("predictions")
    for panel in (axes, below):
        panel.xaxis.set_major_locator(MultipleLocator(20))
        plain(panel)
    axes.yaxis.set_major_locator(MultipleLocator(20))
    below.set_yticks([])
    spread = "" if calibration.ece.spread is None else f" ± {100 * calibration.ece.spread:.1f}"
    right = 100 * np.nansum(bins.accuracy * bins.counts) / bins.counts.sum()
    sure = 100 * np.nansum(bins.confidence * bins.counts) / bins.counts.sum()
    plural = "s" if calibration.ece.n > 1 else ""
    head(
        figure,
        title,
        f"Expected calibration error {100 * calibration.ece.mean:.1f}{spread} % "
        f"(mean of {calibration.ece.n} network{plural}); {sure:.1f} % sure, {right:.1f} % right",
    )
    return png(figure)
