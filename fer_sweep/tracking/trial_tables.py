"""A trial's tables as CSV files, which MLflow shows as tables."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from fer_sweep.data import Samples
from fer_sweep.training.metrics import CLASS_METRICS, Scores
from fer_sweep.training.records import TrialResult
from fer_sweep.training.removal_metrics import ClassRemovals


def write_per_class(path: Path, scores: Scores, class_names: Sequence[str]) -> None:
    """A row per class and one for their mean: precision, recall, specificity and F1, each the mean over networks with
    its deviation over repeats, and the test samples of a repeat (all its folds)."""
    support = scores.support
    header = ["class", *(name for metric in CLASS_METRICS for name in (metric, f"{metric}_spread")), "support"]
    rows: list[list[object]] = []
    for index, class_name in enumerate(class_names):
        row: list[object] = [class_name]
        for metric in CLASS_METRICS:
            found = scores.class_estimate(metric, index)
            row += [_rounded(found.mean), _rounded(found.spread)]
        rows.append([*row, _rounded(support[index])])
    means: list[object] = ["(mean of the classes)"]
    for metric in CLASS_METRICS:
        found = scores.class_mean(metric)
        means += [_rounded(found.mean), _rounded(found.spread)]
    _write(path, header, [*rows, [*means, _rounded(support.sum())]])


def write_removed_by_class(path: Path, removals: ClassRemovals, class_names: Sequence[str]) -> None:
    """A row per class and one for all samples, means over networks: training samples, how many of them were removed,
    which share that is with its deviation over repeats, and the class's share of all that was removed."""
    trained, count, spread = removals.trained.mean(axis=(0, 1)), removals.count, removals.spread
    total = max(float(count.sum()), 1e-12)
    header = ["class", "trained", "removed", "removed_share", "removed_share_spread", "share_of_all_removed"]
    rows: list[list[object]] = [
        [name, *map(_rounded, (trained[i], count[i], removals.share[i], None if spread is None else spread[i])),
         _rounded(count[i] / total)]
        for i, name in enumerate(class_names)
    ]  # fmt: skip
    both = (_rounded(trained.sum()), _rounded(count.sum()), _rounded(removals.overall))
    _write(path, header, [*rows, ["(all)", *both, "", _rounded(count.sum() / total)]])


def write_removals(path: Path, result: TrialResult, samples: Samples) -> None:
    """A row per sample that was removed from a network."""
    header = ["repeat", "fold", "epoch", "threshold", "id", "class", "error", "variance_before", "variance_after"]
    rows = [
        [
            network.repeat, network.fold, removal.epoch, f"{removal.threshold:.6g}", samples.ids[index],
            samples.class_names[samples.y[index]], f"{error:.6g}",
            f"{removal.variance_before:.6g}", f"{removal.variance_after:.6g}",
        ]
        for network in result.networks
        for removal in network.removals
        for index, error in zip(removal.removed, removal.errors, strict=True)
    ]  # fmt: skip
    _write(path, header, rows)


def _rounded(value: float | None) -> float | str:
    """Four decimals; nothing for what is not known."""
    return "" if value is None else float(np.round(value, 4))


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
