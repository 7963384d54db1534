"""The confusion matrix of a trial."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fer_sweep.tracking.figures.canvas import INK, SMALL, head, new_figure, png, shortened, text_width
from fer_sweep.training.metrics import row_shares

CELL_WIDTH, CELL_HEIGHT = 0.82, 0.6
LONGEST_NAME = 2.2
"""Inches; longer class names would leave no room for the cells."""


def confusion(confusion: npt.NDArray[np.int64], class_names: Sequence[str], *, title: str) -> bytes:
    """PNG, about 80 x 60 pixels per cell. confusion: (C, C) counts, rows are the true classes; every cell shows its
    count and its share of the row, the diagonal's share is the recall."""
    classes = len(class_names)
    totals = confusion.sum(axis=1)
    shares = 100 * row_shares(confusion)
    rows = [f"{shortened(name, LONGEST_NAME, 10)} ({n:,})" for name, n in zip(class_names, totals, strict=True)]
    columns = [shortened(name, LONGEST_NAME, 10) for name in class_names]
    widest = max(text_width(name, 10) for name in columns)
    slanted = widest > CELL_WIDTH - 0.08
    left, bottom = 0.45 + max(text_width(name, 10) for name in rows), 0.55 + (0.6 * widest if slanted else 0.05)
    width, height = CELL_WIDTH * max(classes, 3), CELL_HEIGHT * classes
    size = (max(left + width + 0.85, 6.2), 0.65 + height + bottom)
    figure = new_figure(*size, constrained=False)
    axes = figure.add_axes((left / size[0], bottom / size[1], width / size[0], height / size[1]))
    scale = figure.add_axes(((left + width + 0.12) / size[0], bottom / size[1], 0.13 / size[0], height / size[1]))
    top = 50 if shares.max() <= 50 else 100
    mesh = axes.imshow(shares, cmap="Blues", vmin=0, vmax=top, aspect="auto")
    for row, column in np.ndindex(classes, classes):
        color = "white" if shares[row, column] > 0.55 * top else INK
        weight = "bold" if row == column else "normal"
        cell: dict[str, Any] = {"ha": "center", "color": color, "fontweight": weight}
        axes.text(column, row, f"{confusion[row, column]:,}", va="bottom", fontsize=10, **cell)
        share = _percent(float(shares[row, column])) if totals[row] else "–"
        axes.text(column, row + 0.04, share, va="top", fontsize=SMALL, **cell)
    slant: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    axes.set_xticks(range(classes), columns, **slant)
    axes.set_yticks(range(classes), rows)
    axes.tick_params(length=0)
    for edge in np.arange(classes - 1) + 0.5:
        axes.axhline(edge, color="white", linewidth=2)
        axes.axvline(edge, color="white", linewidth=2)
    axes.spines[:].set_visible(False)
    axes.set_ylabel("true class (n)")
    figure.text((left + width / 2) / size[0], 0.12 / size[1], "predicted class", ha="center")
    figure.colorbar(mesh, cax=scale, label="% of the true class", ticks=np.linspace(0, top, 6))
    correct = f"{np.trace(confusion):,} of {confusion.sum():,} correct"
    head(figure, title, f"{correct}; each cell: count, and per cent of its row")
    return png(figure)


def _percent(share: float) -> str:
    return "<1 %" if 0 < share < 0.5 else f"{share:.0f} %"
