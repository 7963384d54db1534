"""What a study found, in rows, labels and one sentence: the same words on the terminal and in MLflow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from fer_sweep.data import Samples, Split
from fer_sweep.spec import SweepSpec
from fer_sweep.spec.search import Scalar
from fer_sweep.study.events import Confirmed
from fer_sweep.study.rows import Part, TrialRow, ranked
from fer_sweep.study.statistics import Comparison
from fer_sweep.study.wording import interval, metric_of, percent, points

Confirmation = Literal["asked for", "left out", "impossible"]
"""What becomes of the best: its sweep file has a confirm section, or has none, or could not have one."""


@dataclass(frozen=True)
class Summary:
    """A finished (or interrupted) study. `labels` are what a reader must know before believing a number; `part` is what
    the rows' scores are of, while confirmed ones are always of the test part."""

    study: str
    metric: str
    goal: str
    rows: tuple[TrialRow, ...]
    confirmed: tuple[Confirmed, ...]
    labels: tuple[str, ...]
    reason: str
    part: Part = "test"
    confirmation: Confirmation = "left out"

    @cached_property
    def ranked(self) -> list[TrialRow]:
        """Complete trials, best first."""
        return ranked(self.rows, "maximize" if self.goal == "maximize" else "minimize")

    @property
    def searched(self) -> str:
        """The metric of the rows, with the part that it is of."""
        return metric_of(self.part, self.metric)

    @property
    def best(self) -> TrialRow | None:
        return self.ranked[0] if self.ranked else None

    @property
    def base(self) -> TrialRow | None:
        return next((row for row in self.rows if row.is_base and row.state == "complete"), None)


def summarize(
    name: str,
    spec: SweepSpec,
    samples: Samples,
    split: Split,
    rows: Sequence[TrialRow],
    *,
    confirmed: Sequence[Confirmed] = (),
    reason: str = "",
) -> Summary:
    """Gather what a study found."""
    return Summary(
        study=name,
        metric=spec.metric.name,
        goal=spec.metric.goal,
        rows=tuple(row for row in rows if row.state != "skipped"),
        confirmed=tuple(confirmed),
        labels=labels(spec, samples, split),
        reason=reason,
        part="validation" if split.has_validation else "test",
        confirmation="asked for" if spec.confirm else "impossible" if spec.protocol.split == "official" else "left out",
    )


def labels(spec: SweepSpec, samples: Samples, split: Split) -> tuple[str, ...]:
    """The conditions under which the numbers were made."""
    said = []
    if not split.person_independent:
        said.append("not person independent: some persons are on both sides of a split")
    if split.has_validation:
        said.append("scores of the search are of the validation part, on which the best was selected")
    else:
        advice = ", believe the confirmation" if spec.confirm is not None else ""
        said.append(f"selected on the reported folds: search scores are optimistic{advice}")
    if spec.train.normalize == "all":
        said.append("normalized with all samples: the test part leaks into training")
    if spec.base.sees_descriptors and spec.features.fit_on == "all" and spec.features.components != "all":
        said.append("principal components fitted on all samples: the test part leaks into training")
    return (*said, *_kept_by_guard(spec, samples, split), *samples.warnings)


def _kept_by_guard(spec: SweepSpec, samples: Samples, split: Split) -> Iterator[str]:
    """A word on classes so small that `removal.min_per_class` protects all of their training samples."""
    least = getattr(spec.removal, "min_per_class", 0)
    if not least or "removal.min_per_class" in spec.parameters:
        return
    counts = np.array([np.bincount(samples.y[fold.train], minlength=samples.classes) for fold in split.folds])
    kept = [f"{samples.class_names[c]} ({most} at most)" for c, most in enumerate(counts.max(axis=0)) if most <= least]
    if len(kept) == samples.classes:
        yield f"removal can take nothing away: removal.min_per_class: {least} keeps all training samples of every class"
    elif kept:
        yield f"removal.min_per_class: {least} keeps all training samples of {', '.join(kept)}"


_NEXT = {
    "asked for": ", and it is not confirmed on fresh splits yet: the same command goes on.",
    "left out": "; add a confirm section for an honest number.",
    "impossible": ", and an official split leaves no fresh ones to confirm it on.",
}


def answer(summary: Summary) -> str:
    """The study's answer in plain words."""
    if summary.best is None:
        return "No trial finished, so there is no answer."
    if not summary.confirmed:
        return (
            f"Best of the search: {describe(summary.best.assignments)} with {summary.searched} "
            f"{_percent(summary.best)}. The best of many trials looks better than it is{_NEXT[summary.confirmation]}"
        )
    base = next((c for c in summary.confirmed if c.trial.number == 0), None)
    others = [c for c in summary.confirmed if c.trial.number != 0]
    if base is None:
        return "The base failed on fresh splits, so there is nothing to compare the others with."
    if not others:
        return "Nothing but the base could be confirmed on fresh splits."
    best = others[0]
    comparison = best.comparison
    assert comparison is not None
    worse = comparison.high < 0 if summary.goal == "maximize" else comparison.low > 0
    verdict = (
        "It beats the base."
        if beats_base(comparison, summary.goal)
        else "It is worse than the base: the search was misled by its own splits."
        if worse and comparison.p_holm < 0.05
        else "The difference lies within the noise: use the base, or measure with more repeats."
    )
    which = "" if len(others) == 1 else f" (the best of {len(others)} there)"
    return (
        f"On fresh splits, {describe(best.trial.assignments)}{which} reaches {summary.metric} "
        f"{percent(best.metric.mean)} % against the base's {percent(base.metric.mean)} %: "
        f"{evidence(comparison, comparisons=len(others))}. {verdict}"
    )


def evidence(comparison: Comparison, *, comparisons: int) -> str:
    """A difference with its interval and p, and what they are corrected for."""
    corrected = "both corrected for overlapping training sets"
    if comparisons > 1:
        corrected += f", p also for {comparisons} comparisons, the interval is of this one alone"
    return (
        f"{points(comparison.difference)} points, 95 % interval {interval(comparison)}, p = {comparison.p_holm:.2g} "
        f"({corrected}; n = {comparison.n} folds)"
    )


def beats_base(comparison: Comparison, goal: str) -> bool:
    """Whether a configuration is better than the base beyond the noise."""
    better = comparison.low > 0 if goal == "maximize" else comparison.high < 0
    return better and comparison.p_holm < 0.05


def describe(assignments: Mapping[str, Scalar]) -> str:
    """A configuration in a line: `train.learning_rate=0.0123, removal.alpha=0.5`."""
    if not assignments:
        return "the base"
    return ", ".join(
        f"{path}={value:.4g}" if isinstance(value, float) else f"{path}={value}" for path, value in assignments.items()
    )


def _percent(row: TrialRow) -> str:
    assert row.mean is not None
    spread = f" ± {percent(row.spread)}" if row.spread is not None else ""
    return f"{percent(row.mean)}{spread} % (n = {row.n} networks)"
