"""fer-sweep compare: trials against one of them, on the same splits."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from string import ascii_uppercase

from rich.table import Table

from fer_sweep.cli import tables
from fer_sweep.cli.console import out
from fer_sweep.errors import StudyError
from fer_sweep.study.comparison import PairedDifference, compare, metrics_from
from fer_sweep.study.home import Home
from fer_sweep.study.measured import Measured, Reference, load_measured, parse_reference
from fer_sweep.study.stored import stored_studies
from fer_sweep.study.summary import describe, evidence
from fer_sweep.study.wording import percent, points
from fer_sweep.tracking.address import store_of
from fer_sweep.tracking.ending import finished_study


def compare_trials(names: Sequence[str], *, tracking_uri: str | None, place: Home, as_json: bool) -> None:
    """Print the paired differences of trials from the first. Raises StudyError if they cannot be paired."""
    if len(names) > len(ascii_uppercase):
        raise StudyError(f"{len(names)} trials are too many for one table. Compare at most {len(ascii_uppercase)}.")
    references = [_resolved(name, place, tracking_uri) for name in names]
    for position, reference in enumerate(references):
        if reference in references[:position]:
            raise StudyError(f"{names[position]} is trial {reference}, which is named twice. Name different trials.")
    first, *others = (load_measured(reference, place) for reference in references)
    differences = compare(first, others)
    if as_json:
        out.print_json(json.dumps(_as_json(first, others, differences)))
        return
    for letter, trial in zip(ascii_uppercase, (first, *others), strict=False):
        out.print(f"{letter} = {trial.name}: {describe(trial.trial.assignments)}", soft_wrap=True)
    out.print(f"\ntest scores in % on splits {first.split.hash}; differences from A", soft_wrap=True)
    out.print(_table(first, others, differences))
    for sentence in _sentences(first, others, differences):
        out.print(sentence, style="bold", soft_wrap=True)
    for note in _notes(first, others):
        out.print(f"note: {note}", style="yellow", soft_wrap=True)


def _resolved(name: str, home: Home, tracking_uri: str | None) -> Reference:
    """A trial with its number, from whatever names it."""
    reference = parse_reference(name)
    if reference.number is None and name not in {study.name for study in stored_studies(home)}:
        if not re.fullmatch(r"[0-9a-f]{32}", name):
            return replace(reference, number=_best_confirmed(name, home))  # which says what studies there are
        from fer_sweep.tracking.client import open_client  # here, because it takes seconds to load
        from fer_sweep.tracking.lookup import trial_of_run

        reference = trial_of_run(open_client(store_of(tracking_uri, home)), name, home)
    if reference.number is None:
        return Reference(reference.study, "confirm", _best_confirmed(reference.study, home))
    return reference


def _best_confirmed(study: str, home: Home) -> int:
    _, summary = finished_study(study, home)
    if not summary.confirmed:
        raise StudyError(
            f"study {study!r} has no confirmed configuration to compare. Add a confirm section to its sweep file and "
            f"run it again, or name a trial: {study}/NUMBER (see fer-sweep status {study})."
        )
    return summary.confirmed[0].trial.number


def _table(first: Measured, others: Sequence[Measured], differences: Sequence[PairedDifference]) -> Table:
    table = tables.empty_table()
    table.add_column("metric", no_wrap=True)
    table.add_column("trial", no_wrap=True)
    for column in ("mean", "difference", "95 % interval", "p (Holm)", "n"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("better", no_wrap=True)
    by_name = {trial.name: trial for trial in others}
    letters = dict(zip((first.name, *by_name), ascii_uppercase, strict=False))
    for metric in metrics_from(first.facts.spec.metric.name):
        table.add_row(metric, "A", percent(first.scores.estimate(metric).mean), style="cyan")
        for found in differences:
            if found.metric == metric:
                c, mean = found.comparison, by_name[found.trial].scores.estimate(metric).mean
                interval = f"{points(c.low)} to {points(c.high)}"
                numbers = (percent(mean), points(c.difference), interval, f"{c.p_holm:.2g}", str(c.n))
                better = "?" if found.better is None else letters[found.better]
                table.add_row("", letters[found.trial], *numbers, better)
    return table


def _sentences(first: Measured, others: Sequence[Measured], differences: Sequence[PairedDifference]) -> list[str]:
    said = []
    for found in differences[: len(others)]:  # the study's own metric
        c = found.comparison
        if found.better is not None:
            verdict = f"{found.better} is better."
        elif c.p < 0.05:
            verdict = "Among so many comparisons that may be chance: which is better cannot be told."
        else:
            verdict = "The difference lies within the noise: which is better cannot be told."
        said.append(
            f"{found.trial} against {first.name}, {found.metric}: {evidence(c, comparisons=len(others))}. {verdict}"
        )
    return said


def _notes(first: Measured, others: Sequence[Measured]) -> list[str]:
    trials, said = (first, *others), []
    if any(t.trial.stage == "search" and not t.split.has_validation for t in trials):
        said.append(
            "the search selected on these very splits, so its best look better than they are; compare confirmations "
            "(STUDY/confirm/NUMBER) for honest numbers"
        )
    if len({t.facts.fingerprint for t in trials}) > 1:
        said.append("the trials saw different features of the same labelled samples")
    if not first.split.person_independent:
        said.append("not person independent: some persons are on both sides of a split")
    return said


def _as_json(first: Measured, others: Sequence[Measured], differences: Sequence[PairedDifference]) -> dict[str, object]:
    return {
        "metric": first.facts.spec.metric.name,
        "goal": first.facts.spec.metric.goal,
        "split_hash": first.split.hash,
        "first": first.name,
        "trials": [
            {
                "name": trial.name,
                "study": trial.facts.name,
                "stage": trial.trial.stage,
                "trial": trial.trial.number,
                "assignments": dict(trial.trial.assignments),
                "data_fingerprint": trial.facts.fingerprint,
                "test": {name: asdict(trial.scores.estimate(name)) for name in metrics_from("accuracy")},
            }
            for trial in (first, *others)
        ],
        "differences": [
            {"metric": d.metric, "trial": d.trial, **asdict(d.comparison), "better": d.better} for d in differences
        ],
        "notes": _notes(first, others),
    }
