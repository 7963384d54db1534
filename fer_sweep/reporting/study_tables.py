"""The tables of a study's report: trials, confirmation, cost, splits."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from fer_sweep.reporting.document import Table
from fer_sweep.study import wording
from fer_sweep.study.events import TrialFinished
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.statistics import Comparison, interval_over_repeats
from fer_sweep.study.summary import Summary, describe
from fer_sweep.study.wording import percent, setting, trial_name

MOST_TRIALS = 20


def ranking(summary: Summary, *, repeats: int) -> Table:
    """The best trials and the base, best first. repeats: of the search's splits."""
    order = summary.ranked
    places = {row.number: place for place, row in enumerate(order, start=1)}
    shown = [row for row in order if places[row.number] <= MOST_TRIALS or row.is_base]
    paths = list(dict.fromkeys(path for row in shown for path in row.assignments))
    rows = [
        (
            str(places[row.number]),
            trial_name(row.number),
            percent(row.mean),
            percent(row.spread),
            _interval(row, repeats),
            str(row.n),
            *(setting(row.assignments[path]) if path in row.assignments else "" for path in paths),
        )
        for row in shown
    ]
    more = len(summary.rows) - len(shown)
    caption = (
        f"{summary.searched} in %, mean over n networks; spread: standard deviation over repeats; the base in blue."
    )
    if more:
        caption += f" {more} more {'trial is' if more == 1 else 'trials are'} in trials.csv."
    header = ("rank", "trial", summary.searched, "spread", "95 %", "n", *paths)
    return Table(header, tuple(rows), caption, frozenset(i for i, row in enumerate(shown) if row.is_base))


def confirmation(summary: Summary) -> Table:
    """The confirmed configurations against the base."""
    rows = []
    for one in summary.confirmed:
        c = one.comparison
        against = ("", "", "") if c is None else (points(c.difference), interval(c), p(c.p_holm))
        score = (percent(one.metric.mean), percent(one.metric.spread), str(one.metric.n))
        rows.append((trial_name(one.trial.number), *score, *against, describe(one.trial.assignments)))
    header = ("trial", summary.metric, "spread", "n", "against base", "95 % interval", "p (Holm)", "configuration")
    caption = (
        f"{summary.metric} in % on splits that the search never saw. Differences are paired by fold; intervals and p "
        "are corrected for overlapping training sets (Nadeau and Bengio) and, p, for several comparisons (Holm)."
    )
    marked = frozenset(i for i, one in enumerate(summary.confirmed) if one.trial.number == 0)
    return Table(header, tuple(rows), caption, marked)


def cost(summary: Summary, confirmations: Sequence[TrialFinished]) -> Table:
    """What was spent on the search and on its confirmation."""
    states = Counter(row.state for row in summary.rows)
    own = [row for row in summary.rows if row.seconds > 0]
    rows = [_spent("search", own, ", ".join(f"{n} {state}" for state, n in states.items()))]
    if confirmations:
        rows.append(_spent("confirmation", [event.row for event in confirmations], f"{len(confirmations)} complete"))
    header = ("", "trials", "networks", "hours", "seconds per trial: median", "least", "most")
    return Table(
        header,
        tuple(rows),
        "Trials that took over the result of an equal one cost nothing and are not counted in time.",
    )


def splits(study: StudyFacts) -> Table:
    """Samples of each class on either side of the first repeat's folds."""
    counts = [fold for fold in study.split.class_counts(study.samples) if fold.repeat == 0]
    rows = []
    for fold in counts:
        sides = [("train", fold.train), ("validation", fold.validation), ("test", fold.test)]
        rows += [
            (f"{fold.fold} {side}", *map(str, numbers), str(sum(numbers))) for side, numbers in sides if sum(numbers)
        ]
    caption = f"Samples by class, first of {1 + max(f.repeat for f in study.split.folds)} repeats."
    return Table(("fold", *study.samples.class_names, "all"), tuple(rows), caption)


def _spent(stage: str, rows: Sequence[TrialRow], trials: str) -> tuple[str, ...]:
    seconds = np.array([row.seconds for row in rows] or [0.0])
    times = (f"{seconds.sum() / 3600:.2f}", *(f"{s:.1f}" for s in (np.median(seconds), seconds.min(), seconds.max())))
    return stage, trials, str(sum(row.n for row in rows)), *times


def _interval(row: TrialRow, repeats: int) -> str:
    found = interval_over_repeats(row.mean, row.spread, repeats=repeats)
    return "–" if found is None else f"[{100 * found.low:.2f}, {100 * found.high:.2f}]"


def points(difference: float) -> str:
    """A difference of shares in points, with its sign."""
    return wording.points(difference).replace("-", "−")


def interval(comparison: Comparison) -> str:
    """Of a difference, in points."""
    return wording.interval(comparison).replace("-", "−")


def p(probability: float) -> str:
    """As it is read: no more digits than mean something."""
    return "< 0.001" if probability < 0.001 else f"{probability:.2g}"
