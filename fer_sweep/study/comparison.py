"""Trials compared with one of them, fold by fold on the same splits, metric by metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fer_sweep.data import Split
from fer_sweep.errors import StudyError
from fer_sweep.study.measured import Measured
from fer_sweep.study.statistics import Comparison, corrected_comparison, holm
from fer_sweep.training.metrics import METRICS, Scores

Goal = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class PairedDifference:
    """A metric of one trial less that of the first one. `better` names the trial that is better beyond the noise (the
    interval excludes zero and p_holm < 0.05); None if that cannot be told."""

    metric: str
    trial: str
    comparison: Comparison
    better: str | None


def compare(first: Measured, others: Sequence[Measured]) -> tuple[PairedDifference, ...]:
    """Every other trial against the first, the metric of the first's study before the rest, on the test folds.

    Corrected for overlapping training sets (Nadeau and Bengio) and, within a metric, for the number of comparisons
    (Holm). Raises StudyError if two were measured on different splits or labels, because folds cannot be paired then.
    """
    for other in others:
        _require_pairs(first, other)
    chosen = first.facts.spec.metric
    found = []
    for metric in metrics_from(chosen.name):
        goal: Goal = chosen.goal if metric == chosen.name else "maximize"
        comparisons = holm([paired(first.scores, other.scores, metric, first.split) for other in others])
        for other, comparison in zip(others, comparisons, strict=True):
            found.append(PairedDifference(metric, other.name, comparison, _better(first, other, comparison, goal)))
    return tuple(found)


def metrics_from(chosen: str) -> tuple[str, ...]:
    """All metrics, the chosen one first."""
    return (chosen, *(name for name in METRICS if name != chosen))


def paired(first: Scores, second: Scores, metric: str, split: Split) -> Comparison:
    """The second's metric less the first's over the folds of their split, corrected for overlapping training sets."""
    differences = (second.by_network[metric] - first.by_network[metric]).ravel()
    return corrected_comparison(differences, test_to_train=split.test_to_train)


def _better(first: Measured, other: Measured, comparison: Comparison, goal: Goal) -> str | None:
    if comparison.p_holm >= 0.05 or comparison.low <= 0.0 <= comparison.high:
        return None
    return other.name if (comparison.difference > 0) == (goal == "maximize") else first.name


def _require_pairs(first: Measured, other: Measured) -> None:
    if first.split.hash != other.split.hash:
        raise StudyError(
            f"{first.name} and {other.name} were measured on different splits, so their folds cannot be paired:\n"
            f"  {first.name}: {first.splits}\n"
            f"  {other.name}: {other.splits}\n"
            "Compare trials of one search, or confirmations of one study (STUDY/confirm/NUMBER). For configurations of "
            "different studies: fer-sweep promote runs both on the same fresh splits before it decides."
        )
    if len(first.split.folds) < 2:
        raise StudyError(
            f"{first.name} was measured on a single fold, which says nothing about chance. Compare confirmations "
            "(STUDY/confirm/NUMBER), or run the sweep with more protocol.repeats."
        )
    labels = [(m.facts.samples.class_names, m.facts.samples.y.tolist()) for m in (first, other)]
    if labels[0] != labels[1]:
        raise StudyError(
            f"{first.name} and {other.name} were measured on the same splits but on different labels (data "
            f"{first.facts.fingerprint} and {other.facts.fingerprint}), so their scores do not mean the same. Compare "
            "trials on the same data."
        )
