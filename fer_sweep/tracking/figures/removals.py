"""Whether removal was fair to the classes."""

from collections.abc import Sequence

import numpy as np

from fer_sweep.tracking.figures.canvas import (
    BLUE,
    GREY,
    INK,
    RED,
    SMALL,
    head,
    new_figure,
    plain,
    png,
    shortened,
    text_width,
)
from fer_sweep.training.removal_metrics import ClassRemovals

BAR = 0.3
"""Inches from bar to bar."""
LONGEST_NAME = 2.2


def removed_by_class(removals: ClassRemovals, class_names: Sequence[str], *, title: str) -> bytes:
    """PNG, 700 pixels wide: the share of each class's training samples that was removed, mean over networks, with its
    standard deviation over repeats, and as a line the share of all samples. Classes that lose more are red."""
    names = [shortened(name, LONGEST_NAME, 10) for name in class_names]
    classes, left = len(names), 0.2 + max(text_width(name, 10) for name in names)
    width, height = 7.0, 1.45 + BAR * len(names)
    figure = new_figure(width, height, constrained=False)
    axes = figure.add_axes((left / width, 0.55 / height, (width - left - 1.5) / width, BAR * classes / height))
    shares, overall = 100 * removals.share, 100 * removals.overall
    spreads = np.zeros(classes) if removals.spread is None else 100 * removals.spread
    colors = [RED if share - spread > overall else BLUE for share, spread in zip(shares, spreads, strict=True)]
    rows = np.arange(classes)
    axes.barh(rows, shares, height=0.7, color=colors)
    if removals.spread is not None:
        axes.hlines(rows, shares - spreads, shares + spreads, color=INK, linewidth=1.2)
    axes.axvline(overall, color=INK, linewidth=1.2, linestyle="--")
    end = max((shares + spreads).max(), overall, 1.0) * 1.04
    trained = removals.trained.mean(axis=(0, 1))
    for row, count, share, n in zip(rows, removals.count, shares, trained, strict=True):
        text = f"{share:.1f} %: {count:.1f} of {n:.0f}"
        axes.text(1.015, int(row), text, transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL, color=INK)
    axes.set_yticks(rows, names)
    axes.set(xlim=(0, end), ylim=(classes - 0.5, -0.5), xlabel="% of the class's training samples removed")
    plain(axes)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    bar, more = ("", "more") if removals.spread is None else ("; bar: ± SD over repeats", "more by over one SD")
    figure.text(0.1 / width, 1 - 0.6 / height, f"Dashed: {overall:.1f} % of all samples; red: {more}",
                va="top", fontsize=SMALL, color=GREY)  # fmt: skip
    networks = removals.removed.shape[0] * removals.removed.shape[1]
    head(figure, title, f"Mean of {networks} network{'s' if networks > 1 else ''}{bar}")
    return png(figure)
