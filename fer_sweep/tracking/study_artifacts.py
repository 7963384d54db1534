"""The files a study leaves in MLflow: the ranked table, the answer, and the pictures that compare its trials."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from fer_sweep.data.counts import counted
from fer_sweep.spec import to_yaml
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.statistics import interval_over_repeats
from fer_sweep.study.summary import Summary, answer
from fer_sweep.tracking import figures
from fer_sweep.tracking.compared_trials import compared_trials
from fer_sweep.tracking.parallel_coordinates import parallel_coordinates
from fer_sweep.tracking.scales import label_of, logarithmic
from fer_sweep.tracking.study_page import ended_by


def write_study_artifacts(
    folder: Path, summary: Summary, importances: Mapping[str, float], study: StudyFacts, files: StudyFiles
) -> None:
    """Write a study's artifacts into a folder. files: where the results of its trials are."""
    _write(folder / "sweep.yaml", to_yaml(study.spec))
    _write(folder / "answer.txt", "\n".join([answer(summary), *summary.labels, ended_by(summary)]) + "\n")
    _write(folder / "split.json", json.dumps(_split(study)))
    repeats = len({fold.repeat for fold in study.split.folds})
    _write_ranking(folder / "trials.csv", summary, repeats=repeats)
    if summary.confirmed:
        _write(folder / "confirmed.json", json.dumps(_confirmed(summary), indent=1))
    if any(row.state == "complete" for row in summary.rows):
        metric, goal = summary.searched, summary.goal
        (folder / "best_so_far.png").write_bytes(figures.best_so_far(summary.rows, metric=metric, goal=goal))
        logs = logarithmic(study.spec.parameters)
        page = parallel_coordinates(summary.rows, metric=metric, goal=goal, log_scaled=logs)
        _write(folder / "parallel_coordinates.html", page)
        if study.spec.parameters:
            (folder / "slices.png").write_bytes(figures.slices(summary.rows, metric=metric, log_scaled=logs))
        compared = compared_trials(summary, study, files)
        if compared:
            picture = figures.loss_comparison(compared, title=f"Loss distributions of {_counted(compared, summary)}")
            (folder / "loss_histograms_by_trial.png").write_bytes(picture)
    if study.spec.parameters:  # without numbers it says why there are none
        (folder / "importance.png").write_bytes(figures.importance(importances))
    if importances:
        _write(folder / "importance.json", json.dumps(dict(importances)))


def _counted(shown: Sequence[object], summary: Summary) -> str:
    trials = counted(len(summary.rows), "trial")
    return trials if len(shown) == len(summary.rows) else f"{len(shown)} of {trials}"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _write_ranking(path: Path, summary: Summary, *, repeats: int) -> None:
    """All trials, ranked; those without a rank last. With three repeats or more, each mean has its 95 % interval over
    them. MLflow shows a .csv as a table."""
    order = summary.ranked
    places = {row.number: place for place, row in enumerate(order, start=1)}
    rest = [row for row in summary.rows if row.number not in places]
    paths = sorted({path for row in summary.rows for path in row.assignments})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        # what matters most first: the UI shows five columns or so without scrolling
        columns = [
            "rank",
            "trial",
            summary.searched,
            "spread",
            *paths,
            "low95",
            "high95",
            "n",
            "seconds",
            "state",
            "note",
        ]
        writer.writerow(columns)
        for row in (*order, *rest):
            interval = interval_over_repeats(row.mean, row.spread, repeats=repeats)
            writer.writerow(
                [places.get(row.number, ""), "base" if row.is_base else row.number]
                + [_rounded(row.mean), _rounded(row.spread)]
                + [label_of(row.assignments[path]) if path in row.assignments else "" for path in paths]
                + (["", ""] if interval is None else [_rounded(interval.low), _rounded(interval.high)])
                + [row.n, round(row.seconds, 3), row.state, row.note]
            )


def _rounded(value: float | None) -> float | str:
    """Five decimals, a thousandth of a per cent; nothing for what is not known."""
    return "" if value is None else round(value, 5)


def _split(study: StudyFacts) -> dict[str, object]:
    return {
        "hash": study.split.hash,
        "person_independent": study.split.person_independent,
        "class_names": study.samples.class_names,
        "class_counts": [asdict(counts) for counts in study.split.class_counts(study.samples)],
    }


def _confirmed(summary: Summary) -> list[dict[str, object]]:
    return [
        {
            "trial": c.trial.number,
            "assignments": dict(c.trial.assignments),
            summary.metric: asdict(c.metric),
            "against_base": None if c.comparison is None else asdict(c.comparison),
        }
        for c in summary.confirmed
    ]
