"""The report of a study: question, answer, and what the answer rests on, in one HTML file with its parts beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fer_sweep.errors import StudyError
from fer_sweep.reporting import study_tables as tables
from fer_sweep.reporting.document import Document, Page, Part, Picture, Points, Prose, Section, Source, render
from fer_sweep.reporting.report_folder import MADE_BY, ReportFolder
from fer_sweep.reporting.trial_section import Chapter, trial_section
from fer_sweep.spec import to_yaml
from fer_sweep.study.confirm import confirmed_before
from fer_sweep.study.database import opened_storage
from fer_sweep.study.events import TrialFinished
from fer_sweep.study.facts import StudyFacts, load_facts
from fer_sweep.study.history import ending_of
from fer_sweep.study.home import Home
from fer_sweep.study.importance import importance
from fer_sweep.study.measured import Reference, load_measured
from fer_sweep.study.store import StudyStore
from fer_sweep.study.stored import stored_study
from fer_sweep.study.summary import Summary, answer
from fer_sweep.tracking.outbox_state import outbox_state
from fer_sweep.tracking.study_artifacts import write_study_artifacts
from fer_sweep.tracking.study_page import ended_by

_SEARCH_PICTURES = {
    "best_so_far.png": "Every trial in the order of the search, and the best so far.",
    "importance.png": "What separates good trials from the rest (PED-ANOVA).",
    "slices.png": "The metric against each searched parameter.",
    "loss_histograms_by_trial.png": "Training losses over the epochs, trials side by side.",
}


@dataclass(frozen=True)
class _Study:
    """What a report is made from."""

    facts: StudyFacts
    summary: Summary
    importances: Mapping[str, float]
    provenance: Mapping[str, str]


def write_study_report(name: str, home: Home, folder: Path) -> Path:
    """Write folder/report.html and its parts (PNG, CSV, YAML). Returns the report's path.

    Raises StudyError if there is no such study, if nothing of it is complete, if results of its trials are gone, or if
    the folder cannot take it.
    """
    study = _load(name, home)
    place = ReportFolder(folder)
    parts = place.parts
    (parts / "study").mkdir()
    write_study_artifacts(parts / "study", study.summary, study.importances, study.facts, home.study(name))
    sections = [_answer(study), _trials(study), _search(parts / "study")]
    for chapter in _chapters(study, home):
        own = parts / f"{chapter.measured.trial.stage}_{chapter.row.number}"
        own.mkdir()
        sections.append(trial_section(chapter, home.study(name), own))
    sections += [_cost(study, home), _how(study)]
    subtitle = f"Study {name}, {study.summary.metric}, {study.summary.goal}d."
    title = study.facts.spec.description or f"Study {name}"
    return place.finish(render(Document(title, subtitle, tuple(sections), _footer(study))))


def _load(name: str, home: Home) -> _Study:
    stored_study(home, name)  # which says what studies there are
    files = home.study(name)
    facts = load_facts(name, files)
    state = outbox_state(home, name)
    with opened_storage(home) as storage:
        store = StudyStore(storage, name)  # which has read everything
    summary = ending_of(facts, store, files, failed=state.failed_confirmations).summary
    if summary.best is None:
        raise StudyError(
            f"no trial of study {name!r} is complete, so there is nothing to report yet. See how far it is: fer-sweep "
            f"status {name}."
        )
    return _Study(facts, summary, importance(store.trials(), goal=facts.spec.metric.goal), state.provenance)


def _answer(study: _Study) -> Section:
    summary = study.summary
    parts: list[Part] = [Prose(answer(summary), strong=True), Prose(ended_by(summary))]
    if summary.labels:
        parts += [Prose("What to know before believing a number:"), Points(summary.labels)]
    if summary.confirmed:
        parts.append(tables.confirmation(summary))
    return Section("Answer", tuple(parts))


def _trials(study: _Study) -> Section:
    repeats = len({fold.repeat for fold in study.facts.split.folds})
    return Section("Trials of the search", (tables.ranking(study.summary, repeats=repeats),))


def _search(folder: Path) -> Section:
    parts: list[Part] = [
        Picture((folder / name).read_bytes(), caption)
        for name, caption in _SEARCH_PICTURES.items()
        if (folder / name).exists()
    ]
    page = (folder / "parallel_coordinates.html").read_text(encoding="utf-8")
    parts.insert(1, Page(page, "Every trial as a line. Point at one to see it; drag along an axis to select."))
    return Section("What mattered", tuple(parts))


def _chapters(study: _Study, home: Home) -> list[Chapter]:
    """The best trial and the base, on the confirmation's splits where they were confirmed."""
    summary = study.summary
    confirmed = [c.trial.number for c in summary.confirmed]
    assert summary.best is not None
    best = next((number for number in confirmed if number != 0), summary.best.number)
    chapters: list[Chapter] = []
    for title, number in (("The best", best), ("The base", 0)):
        row = next((row for row in summary.rows if row.number == number and row.state == "complete"), None)
        if row is None or (number == 0 and best == 0 and chapters):
            continue
        fresh = number in confirmed
        measured = load_measured(Reference(summary.study, "confirm" if fresh else "search", number), home)
        named = title if number == 0 else f"{title}: trial {number}"
        chapters.append(Chapter(f"{named}, {'on fresh splits' if fresh else 'in the search'}", measured, row))
    return chapters


def _cost(study: _Study, home: Home) -> Section:
    facts = study.facts
    events: list[TrialFinished] = []
    if facts.spec.confirm is not None:
        events, _, _ = confirmed_before(facts.spec, facts.samples, study.summary.rows, files=home.study(facts.name))
    return Section("Cost", (tables.cost(study.summary, events),))


def _how(study: _Study) -> Section:
    facts = study.facts
    independent = "No person is" if facts.split.person_independent else "Some persons are"
    said = (
        f"{len(facts.samples)} samples of {len(set(facts.samples.person.tolist()))} persons, {facts.samples.classes} "
        f"classes (data {facts.fingerprint}). {independent} on both sides of a split (splits {facts.split.hash})."
    )
    rows = tuple(study.provenance.items())
    parts: list[Part] = [Prose(said), tables.splits(facts), Source("The sweep file", to_yaml(facts.spec))]
    if rows:
        parts.append(Source("Code, versions and machine", "\n".join(f"{name}: {value}" for name, value in rows)))
    return Section("How it was measured", tuple(parts))


def _footer(study: _Study) -> str:
    version = study.provenance.get("version.fer-sweep", "")
    sha = study.provenance.get("git.sha", "")
    return " ".join(filter(None, [MADE_BY, version, f"(commit {sha[:12]})" if sha else ""])) + "."
