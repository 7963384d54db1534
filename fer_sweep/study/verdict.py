"""The verdict of the gate: each check with its numbers, in words that terminal and MLflow share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fer_sweep.data import Samples, Split
from fer_sweep.spec.search import Metric
from fer_sweep.study import wording
from fer_sweep.study.statistics import Comparison, corrected_comparison, half_width
from fer_sweep.study.wording import interval, points
from fer_sweep.training.metrics import METRICS, Scores, confusion_matrix, metric_values

FloatArray = npt.NDArray[np.float64]

MOST_REPEATS = 1000


@dataclass(frozen=True)
class GateOptions:
    """What the gate asks for.

    max_harm:     largest loss of the study's metric against the champion that the 95 % interval may leave possible. An
                  interval that had to exclude any loss at all would refuse every equal model, however often measured
    min_recall:   floor of every class's recall; at 0.01 no class may be given up altogether
    min_accuracy: floor of the accuracy, beside that guessing must be beaten
    repeats:      of the protocol, on fresh splits
    """

    max_harm: float = 0.02
    min_recall: float = 0.01
    min_accuracy: float = 0.0
    repeats: int = 5


@dataclass(frozen=True)
class Check:
    """One demand. `value` is what was found and `limit` what was asked for, as shares of 1; `text` says both."""

    name: Literal["training", "guessing", "harm", "accuracy", "recall"]
    passed: bool
    text: str
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the gate found.

    challenger, champion: their scores; None if there is none, or if it could not be measured
    comparisons:          metric -> challenger less champion, paired by fold; empty without a champion
    guess:                (repeats, folds) the metric of always guessing the commonest class
    """

    metric: Metric
    options: GateOptions
    split: Split
    class_names: tuple[str, ...]
    challenger: Scores | None
    champion: Scores | None
    comparisons: Mapping[str, Comparison]
    guess: FloatArray
    checks: tuple[Check, ...]
    notes: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    @property
    def folds(self) -> int:
        """Of each repeat."""
        return len(self.split.folds) // self.options.repeats


def judge(
    challenger: Scores | str,
    champion: Scores | str | None,
    samples: Samples,
    split: Split,
    *,
    metric: Metric,
    options: GateOptions,
) -> Verdict:
    """Decide. A text in the place of scores says why it could not be measured; no champion: None."""
    ours = challenger if isinstance(challenger, Scores) else None
    theirs = champion if isinstance(champion, Scores) else None
    comparisons = {}
    if ours is not None and theirs is not None:
        comparisons = {name: _compared(ours.by_network[name], theirs.by_network[name], split) for name in METRICS}
    guess = guessing(samples, split, metric.name, repeats=options.repeats)
    checks: list[Check] = []
    if isinstance(challenger, str):
        checks.append(Check("training", False, f"The challenger could not be measured: {challenger}"))
    else:
        checks.append(_beats_guessing(challenger, guess, split, metric))
        if champion is not None:
            comparison = comparisons.get(metric.name)
            words = champion if isinstance(champion, str) else ""
            checks.append(_no_harm(comparison, words, split, metric, options))
        checks += _floors(challenger, samples.class_names, options)
    return Verdict(
        metric, options, split, samples.class_names, ours, theirs, comparisons, guess, tuple(checks),
        tuple(_notes(samples, split)),
    )  # fmt: skip


def guessing(samples: Samples, split: Split, metric: str, *, repeats: int) -> FloatArray:
    """(repeats, folds) what always answering the commonest class of the training part would reach on the test part."""
    values = []
    for fold in split.folds:
        commonest = int(np.bincount(samples.y[fold.train], minlength=samples.classes).argmax())
        truth = samples.y[fold.test]
        confusion = confusion_matrix(truth, np.full_like(truth, commonest), samples.classes)
        values.append(metric_values(confusion).value(metric))
    return np.array(values).reshape(repeats, -1)


def _compared(ours: FloatArray, theirs: FloatArray, split: Split) -> Comparison:
    return corrected_comparison((ours - theirs).ravel(), test_to_train=split.test_to_train)


def _beats_guessing(scores: Scores, guess: FloatArray, split: Split, metric: Metric) -> Check:
    comparison = _compared(scores.by_network[metric.name], guess, split)
    passed = _lowest_gain(comparison, metric) > 0.0
    verdict = "better than guessing" if passed else "not shown to be better than guessing"
    text = (
        f"{metric.name} {percent(scores.estimate(metric.name).mean)} is {points(comparison.difference)} points from "
        f"always guessing the commonest class ({percent(float(guess.mean()))}), 95 % interval {interval(comparison)}: "
        f"{verdict}."
    )
    return Check("guessing", passed, text, _lowest_gain(comparison, metric), 0.0)


def _no_harm(comparison: Comparison | None, why: str, split: Split, metric: Metric, options: GateOptions) -> Check:
    if comparison is None:
        text = f"The champion could not be measured on these splits, so there is no comparison: {why}"
        return Check("harm", False, text, None, -options.max_harm)
    worst = _lowest_gain(comparison, metric)
    passed = worst >= -options.max_harm
    text = (
        f"{metric.name} is {points(comparison.difference)} points from the champion's, 95 % interval "
        f"{interval(comparison)}, n = {comparison.n} folds: harm of more than {100 * options.max_harm:g} points is "
        f"{'excluded' if passed else 'not excluded'}."
    )
    if not passed:
        text = f"{text} {_what_would_help(comparison, split, metric, options)}"
    return Check("harm", passed, text, worst, -options.max_harm)


def _what_would_help(comparison: Comparison, split: Split, metric: Metric, options: GateOptions) -> str:
    gain = comparison.difference if metric.goal == "maximize" else -comparison.difference
    if gain + options.max_harm <= 0.0 or comparison.spread == 0.0:
        return "The difference itself is larger than that, so more repeats would not help."
    folds = len(split.folds) // options.repeats
    for repeats in range(options.repeats + 1, MOST_REPEATS + 1):
        half = half_width(comparison.spread, n=repeats * folds, test_to_train=split.test_to_train)
        if gain - half >= -options.max_harm:
            return f"If it is as it looks, --repeats {repeats} would exclude it."
    return (
        f"No number of repeats can exclude it: on these samples, with protocol.folds: {folds}, the interval stays "
        f"± {100 * half:.1f} points wide. Use more data or more folds, or accept more with --max-harm."
    )


def _floors(scores: Scores, class_names: Sequence[str], options: GateOptions) -> Iterator[Check]:
    if options.min_accuracy > 0.0:
        accuracy = scores.accuracy.mean
        passed = accuracy >= options.min_accuracy
        side = "at least" if passed else "below"
        text = f"accuracy {percent(accuracy)} is {side} the {percent(options.min_accuracy)} asked for."
        yield Check("accuracy", passed, text, accuracy, options.min_accuracy)
    if options.min_recall > 0.0:
        recall = scores.per_class.recall
        below = [i for i in np.argsort(recall, kind="stable") if recall[i] < options.min_recall]
        lowest = int(recall.argmin())
        text = (
            f"recall is below the {percent(options.min_recall)} asked for of every class: "
            + ", ".join(f"{class_names[i]} {percent(float(recall[i]))}" for i in below)
            + "."
            if below
            else f"every class has at least {percent(options.min_recall)} recall; the lowest is "
            f"{class_names[lowest]} with {percent(float(recall[lowest]))}."
        )
        yield Check("recall", not below, text, float(recall[lowest]), options.min_recall)


def _notes(samples: Samples, split: Split) -> Iterator[str]:
    if not split.person_independent:
        yield "not person independent: some persons are on both sides of a split"
    if len({fold.test.tobytes() for fold in split.folds}) == 1:
        yield "the data set's own test part is the only one: fresh are the initial weights alone"
    yield from samples.warnings


def _lowest_gain(comparison: Comparison, metric: Metric) -> float:
    """The end of the interval at which the challenger does worst; positive where it still gains."""
    return comparison.low if metric.goal == "maximize" else -comparison.high


def percent(share: float) -> str:
    """`12.34 %`."""
    return f"{wording.percent(share)} %"
