"""The evidence of a promotion: differences by fold with their interval, and the recall of every class."""

from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_sweep.study.statistics import corrected_comparison
from fer_sweep.study.verdict import Verdict
from fer_sweep.tracking.figures.canvas import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    SMALL,
    head,
    new_figure,
    plain,
    png,
    shortened,
    text_width,
)

WIDTH, ROW, LINE = 8.8, 0.3, 0.19
"""Inches: of the picture, from class to class, and from line to line of small type."""
LETTERS = 122
"""Of small type in a line."""
LONGEST_NAME = 1.4
MOST_ROWS = 12
"""Repeats that get a row of their own; more share the same height."""


def evidence(verdict: Verdict, *, title: str) -> bytes:
    """PNG, 880 pixels wide. Left: challenger less champion on every fold of the gate's splits, the mean with its 95 %
    interval, and in red what would be too much harm (without a champion: the challenger against guessing). Right: the
    recall of every class. Below: every check in words."""
    lines = [
        (line, check.passed, first)
        for check in verdict.checks
        for first, line in ((i == 0, text) for i, text in enumerate(wrap(check.text, LETTERS)))
    ]
    rows = max(len(verdict.class_names), min(verdict.options.repeats, MOST_ROWS) + 1)
    plots, texts = ROW * rows, LINE * len(lines)
    height = 0.85 + plots + 0.75 + texts + 0.15
    figure = new_figure(WIDTH, height, constrained=False)
    bottom, share = (0.15 + texts + 0.7) / height, plots / height
    if verdict.challenger is not None:
        _by_fold(figure.add_axes((0.12, bottom, 0.355, share)), verdict)
        names = [shortened(name, LONGEST_NAME, 10) for name in verdict.class_names]
        left = 0.525 + max(text_width(name, 10) for name in names) / WIDTH
        _recalls(figure.add_axes((left, bottom, 0.885 - left, share)), verdict, names)
    for place, (line, passed, first) in enumerate(lines):
        y = (0.15 + texts - LINE * place) / height
        if first:
            mark, color = ("✓", GREEN) if passed else ("✗", RED)
            figure.text(0.1 / WIDTH, y, mark, va="top", fontsize=10, color=color, fontweight="bold")
        figure.text(0.3 / WIDTH, y, line, va="top", fontsize=SMALL, color=INK)
    head(figure, shortened(title, 5.4, 12), _explanation(verdict))
    return png(figure)


def _explanation(verdict: Verdict) -> str:
    repeats = verdict.options.repeats
    return (
        f"A dot per fold: {verdict.folds} folds x {repeats} repeats that neither search nor confirmation saw "
        f"(splits {verdict.split.hash})" + ("; the same for both" if verdict.champion is not None else "")
    )


def _by_fold(axes: Axes, verdict: Verdict) -> None:
    """A row of points per repeat, and the mean with its interval in the last row."""
    assert verdict.challenger is not None
    name, repeats = verdict.metric.name, verdict.options.repeats
    values = 100 * verdict.challenger.by_network[name]
    if verdict.champion is not None:
        values = values - 100 * verdict.champion.by_network[name]
        found, zero = verdict.comparisons[name], 0.0
        axes.axvline(0, color=INK, linewidth=1.0)
        axes.set_title(f"{name}: challenger less champion, points", loc="left", fontsize=9.5)
    else:
        zero = 100 * float(verdict.guess.mean())
        above = (values / 100 - verdict.guess).ravel()
        found = corrected_comparison(above, test_to_train=verdict.split.test_to_train)
        axes.axvline(zero, color=RED, linewidth=1.2, linestyle="--")
        axes.set_title(f"{name} of the challenger, %; dashed: guessing", loc="left", fontsize=9.5)
    y = np.repeat(np.arange(repeats), values.shape[1])
    last = max(repeats * 1.0, 1.0) + (0 if repeats <= MOST_ROWS else repeats / MOST_ROWS - 1)
    axes.plot(values.ravel(), y, "o", color=BLUE, markersize=5 if repeats <= MOST_ROWS else 3, alpha=0.75)
    low, mean, high = (zero + 100 * v for v in (found.low, found.difference, found.high))
    axes.hlines(last, low, high, color=ORANGE, linewidth=3)
    axes.plot([mean], [last], "D", color=ORANGE, markersize=7)
    label = f"{mean:+.2f}" if verdict.champion is not None else f"{mean:.2f}"
    axes.annotate(label, (mean, last), (0, 7), textcoords="offset points", ha="center", fontsize=SMALL, color=INK)
    _limits(axes, verdict, np.array([*values.ravel(), low, high, zero]))
    shown = range(repeats) if repeats <= MOST_ROWS else ()
    axes.set_yticks([*shown, last], [*(f"repeat {i + 1}" for i in shown), "mean, 95 %"])
    axes.set_ylim(last + 0.6, -0.6)
    plain(axes)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)


def _limits(axes: Axes, verdict: Verdict, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    margin = max(0.06 * float(np.ptp(values)), 0.5)
    low, high = float(values.min()) - margin, float(values.max()) + margin
    if verdict.champion is not None:
        harm = 100 * verdict.options.max_harm
        if verdict.metric.goal == "maximize":
            low = min(low, -harm - 2 * margin)
            axes.axvspan(low, -harm, color=RED, alpha=0.13, linewidth=0)
        else:
            high = max(high, harm + 2 * margin)
            axes.axvspan(harm, high, color=RED, alpha=0.13, linewidth=0)
        axes.set_xlabel(f"red: harm of more than {harm:g} points")
    else:
        axes.set_xlabel("the interval must stay above guessing")
    axes.xaxis.label.set_fontsize(SMALL)
    axes.set_xlim(low, high)


def _recalls(axes: Axes, verdict: Verdict, names: list[str]) -> None:
    assert verdict.challenger is not None
    ours, rows = 100 * verdict.challenger.per_class.recall, np.arange(len(names))
    if verdict.champion is not None:
        theirs = 100 * verdict.champion.per_class.recall
        axes.hlines(rows, theirs, ours, color="#c8c8c8", linewidth=2.5, zorder=1)
        axes.plot(theirs, rows, "o", color=GREY, markersize=7, fillstyle="none", markeredgewidth=1.6, label="champion")
    floor = 100 * verdict.options.min_recall
    below = ours < floor
    axes.plot(ours[~below], rows[~below], "o", color=BLUE, markersize=7, label="challenger")
    axes.plot(ours[below], rows[below], "o", color=RED, markersize=7, label="challenger, below the floor")
    if floor:
        axes.axvline(floor, color=RED, linewidth=1.2, linestyle="--")
    for row, recall in zip(rows, ours, strict=True):
        text = f"{recall:.0f} %"
        if verdict.champion is not None:
            text = f"{theirs[row]:.0f} → {text}"
        axes.text(1.02, int(row), text, transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL, color=INK)
    axes.set_yticks(rows, names)
    axes.set(
        xlim=(-3, 103), ylim=(len(names) - 0.4, -0.6), xlabel="recall, %; dashed: the floor" if floor else "recall, %"
    )
    axes.xaxis.label.set_fontsize(SMALL)
    axes.set_title("recall of every class", loc="left", fontsize=9.5)
    plain(axes)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    handles = [handle for handle in axes.get_lines() if len(handle.get_xdata()) and handle.get_label()[0] != "_"]  # type: ignore[arg-type, index]
    figure.legend(handles=handles, loc="upper right", ncols=3, fontsize=SMALL, frameon=False, borderaxespad=0.3)
