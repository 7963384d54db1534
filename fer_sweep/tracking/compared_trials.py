"""Which trials of a study are shown side by side: the best, the base, and others spread over the ranks."""

from collections.abc import Mapping

import numpy as np

from fer_sweep.spec import apply
from fer_sweep.spec.search import Scalar
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.journal import load_result
from fer_sweep.study.keys import config_key
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.summary import Summary
from fer_sweep.tracking.figures import ComparedTrial
from fer_sweep.tracking.scales import label_of

MOST, BEST = 9, 4


def compared_trials(summary: Summary, study: StudyFacts, files: StudyFiles) -> list[ComparedTrial]:
    """Trials with losses over epochs, best first. One that repeats an earlier trial has no result of its own, and is
    not shown."""
    order = summary.ranked
    places = {row.number: place for place, row in enumerate(order, start=1)}
    own = [row for row in order if files.result("search", row.number).exists()]
    trials = [_trial(row, places[row.number], study, files) for row in chosen(own)]
    return [trial for trial in trials if trial is not None and trial.networks]


def chosen(order: list[TrialRow]) -> list[TrialRow]:
    """At most MOST of these ranked rows, in their order: the first BEST, the base, and as many as have room from the
    others, evenly down to the last."""
    picked = {row.number for i, row in enumerate(order) if i < BEST or row.is_base}
    others = [row.number for row in order if row.number not in picked]
    room = min(MOST - len(picked), len(others))
    picked |= {others[i] for i in np.linspace(len(others) - 1, 0, room, endpoint=False).astype(int)}
    return [row for row in order if row.number in picked]


def _trial(row: TrialRow, place: int, study: StudyFacts, files: StudyFiles) -> ComparedTrial | None:
    config = apply(study.spec.base, row.assignments)
    result = load_result(files.result("search", row.number), key=config_key(config, study.split.hash))
    if result is None or row.mean is None:
        return None
    name = f"#{place} {'base' if row.is_base else f'trial {row.number}'}: {100 * row.mean:.1f} %"
    return ComparedTrial(name, _in_short(row.assignments), result)


def _in_short(assignments: Mapping[str, Scalar]) -> str:
    """The assignments without the sections of their paths."""
    shown = {path.rpartition(".")[2]: value for path, value in assignments.items()}
    if len(shown) < len(assignments):
        shown = dict(assignments)
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {label_of(value)}"
        for name, value in shown.items()
    )
