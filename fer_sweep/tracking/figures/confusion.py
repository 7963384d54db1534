"""The confusion matrix of a trial."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fer_sweep.tracking.figures.canvas import INK, SMALL, head, new_figure, png

LONGEST_NAME = 30
"""Characters; longer class names would leave no room for the cells."""


def confusion(confusion: npt.NDArray[np.int64], class_names: Sequence[str], *, title: str) -> bytes:
    """PNG, about 100 pixels per class. confusion: (C, C) counts, rows are the true classes; every cell shows its count
    and its share of the row, the diagonal's share is the recall."""
    classes = len(class_names)
    class_names = [name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…" for name in class_names]
    totals = confusion.sum(axis=1)
    shares = 100 * confusion / np.maximum(totals, 1)[:, None]
    top = 50 if shares.max() <= 50 else 100
    figure = new_figure(max(2.6 + 0.8 * classes, 5.5), 1.9 + 0.56 * classes)
    axes = figure.subplots()
    mesh = axes.imshow(shares, cmap="Blues", vmin=0, vmax=top, aspect="auto")
    for row, column in np.ndindex(classes, classes):
        color = "white" if shares[row, column] > 0.55 * top else INK
        weight = "bold" if row == column else "normal"
        cell: dict[str, Any] = {"ha": "center", "color": color, "fontweight": weight}
        axes.text(column, row, f"{confusion[row, column]:,}", va="bottom", fontsize=10, **cell)
        share = f"{shares[row, column]:.0f} %" if totals[row] else "–"
        axes.text(column, row + 0.04, share, va="top", fontsize=SMALL, **cell)
    axes.set_xticks(range(classes), class_names, rotation=30 if max(map(len, class_names)) > 9 else 0)
    axes.set_yticks(range(classes), [f"{name} ({n:,})" for name, n in zip(class_names, totals, strict=True)])
    axes.set_xticks(np.arange(classes - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(classes - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted class", ylabel="true class (n)")
    figure.colorbar(mesh, ax=axes, label="% of the true class", pad=0.02)
    correct = f"{np.trace(confusion):,} of {confusion.sum():,} correct"
    head(figure, title, f"{correct}; each cell: count and share of its row")
    return png(figure)
