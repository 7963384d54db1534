"""What a study found, in rows, labels and one sentence: the same words on the terminal and in MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from fer_sweep.data import Samples, Split
from fer_sweep.spec import SweepSpec
from fer_sweep.spec.data import Fer2013Data, FolderData, SyntheticFaces
from fer_sweep.spec.models import MlpModel, SvmModel
from fer_sweep.spec.search import Scalar
from fer_sweep.study.events import Confirmed
from fer_sweep.study.rows import TrialRow, ranked
from fer_sweep.study.statistics import Comparison


@dataclass(frozen=True)
class Summary:
    """A finished (or interrupted) study. `labels` are what a reader must know before believing a number."""

    study: str
    metric: str
    goal: str
    rows: tuple[TrialRow, ...]
    confirmed: tuple[Confirmed, ...]
    labels: tuple[str, ...]
    reason: str

    @cached_property
    def ranked(self) -> list[TrialRow]:
        """Complete trials, best first."""
        return ranked(self.rows, "maximize" if self.goal == "maximize" else "minimize")

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
    )


def labels(spec: SweepSpec, samples: Samples, split: Split) -> tuple[str, ...]:
    """The conditions under which the numbers were made."""
    said = []
    if not split.person_independent:
        said.append("not person independent: some persons are on both sides of a split")
    if not split.has_validation:
        said.append("selected on the reported folds: search scores are optimistic, believe the confirmation")
    if spec.train.normalize == "all":
        said.append("normalized with all samples: the test part leaks into training")
    of_pictures = isinstance(spec.data, FolderData | Fer2013Data | SyntheticFaces)
    projects = of_pictures and isinstance(spec.model, MlpModel | SvmModel)
    if projects and spec.features.fit_on == "all" and spec.features.components != "all":
        said.append("principal components fitted on all samples: the test part leaks into training")
    return (*said, *samples.warnings)


def answer(summary: Summary) -> str:
    """The study's answer in plain words."""
    if summary.best is None:
        return "No trial finished, so there is no answer."
    if not summary.confirmed:
        return (
            f"Best of the search: {describe(summary.best.assignments)} with {summary.metric} {_percent(summary.best)}. "
            "The best of many trials looks better than it is; add a confirm section for an honest number."
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
    comparisons = "comparison" if len(others) == 1 else "comparisons"
    return (
        f"On fresh splits, {describe(best.trial.assignments)} reaches {summary.metric} {100 * best.metric.mean:.2f} % "
        f"against the base's {100 * base.metric.mean:.2f} %: {100 * comparison.difference:+.2f} points, 95 % interval "
        f"[{100 * comparison.low:+.2f}, {100 * comparison.high:+.2f}], p = {comparison.p_holm:.2g} (corrected for "
        f"overlapping training sets and for {len(others)} {comparisons}, n = {comparison.n} folds). {verdict}"
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
    spread = f" ± {100 * row.spread:.2f}" if row.spread is not None else ""
    return f"{100 * row.mean:.2f}{spread} % (n = {row.n} networks)"
