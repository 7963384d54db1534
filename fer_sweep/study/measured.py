"""Trials whose results are on disk, found again by name: STUDY/3 is trial 3 of a search, STUDY/confirm/3 the same
configuration on the confirmation's splits, and STUDY alone the study's best confirmed configuration."""

import re
from dataclasses import dataclass
from functools import cached_property

from fer_sweep.data import Split
from fer_sweep.errors import StudyError
from fer_sweep.spec import apply
from fer_sweep.study.confirm import fresh_split
from fer_sweep.study.events import Stage, Trial
from fer_sweep.study.facts import StudyFacts, load_facts
from fer_sweep.study.home import Home, StudyFiles
from fer_sweep.study.journal import load_result
from fer_sweep.study.keys import config_key
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.stored import StoredStudy, stored_study
from fer_sweep.training.metrics import Scores, scores_on_test
from fer_sweep.training.records import TrialResult


@dataclass(frozen=True)
class Reference:
    """A trial by name. number: None for the study's best confirmed configuration."""

    study: str
    stage: Stage = "search"
    number: int | None = None

    def __str__(self) -> str:
        number = "" if self.number is None else f"/{self.number}"
        return f"{self.study}/confirm{number}" if self.stage == "confirm" else f"{self.study}{number}"


@dataclass(frozen=True, eq=False)
class Measured:
    """A trial and how it did on the test folds of its splits."""

    reference: Reference
    trial: Trial
    split: Split
    facts: StudyFacts
    result: TrialResult

    @property
    def name(self) -> str:
        return str(self.reference)

    @cached_property
    def scores(self) -> Scores:
        samples = self.facts.samples
        return scores_on_test(self.result, samples.y, samples.classes)

    @property
    def splits(self) -> str:
        """Its splits in words."""
        repeats = 1 + max(fold.repeat for fold in self.split.folds)
        stage = "confirmation" if self.trial.stage == "confirm" else "search"
        return (
            f"{self.split.hash} (the {stage} of study {self.facts.name}: {len(self.split.folds) // repeats} folds x "
            f"{repeats} repeats of {len(self.facts.samples)} samples)"
        )


def parse_reference(text: str) -> Reference:
    """The trial that a text names. Raises StudyError if it has none of the three forms."""
    match = re.fullmatch(r"([^/]+)(/confirm)?(?:/(\d+))?", text)
    if match is None or (match[2] and match[3] is None):
        raise StudyError(
            f"{text!r} names no trial. Use STUDY for its best confirmed configuration, STUDY/3 for trial 3 of its "
            "search, STUDY/confirm/3 for that trial's confirmation, or the id of an MLflow run."
        )
    return Reference(match[1], "confirm" if match[2] else "search", None if match[3] is None else int(match[3]))


def load_measured(reference: Reference, home: Home) -> Measured:
    """A trial with its result. reference: with a number.

    Raises StudyError if there is no such study or trial, if it did not end as planned, or if its result is gone.
    """
    study, files = stored_study(home, reference.study), home.study(reference.study)
    return measured_in(study, load_facts(study.name, files), files, reference)


def measured_in(study: StoredStudy, facts: StudyFacts, files: StudyFiles, reference: Reference) -> Measured:
    """A trial with its result, of a study that has been read. Raises as load_measured does."""
    assert reference.number is not None
    row = next((row for row in study.rows if row.number == reference.number), None)
    if row is None:
        raise StudyError(
            f"study {study.name!r} has no trial {reference.number}. It has trials 0 to "
            f"{max((row.number for row in study.rows), default=0)}; see them with fer-sweep status {study.name}."
        )
    confirms = reference.stage == "confirm"
    if confirms and facts.spec.confirm is None:
        raise StudyError(
            f"study {study.name!r} has no confirmation. Add a confirm section to its sweep file and run it again, or "
            f"name a trial of the search: {study.name}/{reference.number}."
        )
    if not confirms and row.state != "complete":
        raise StudyError(
            f"trial {row.number} of study {study.name!r} is {row.state}, so there is no whole measurement of it. Name "
            "a complete trial."
        )
    split = fresh_split(facts.spec, facts.samples) if confirms else facts.split
    config = facts.spec.base if confirms and row.is_base else apply(facts.spec.base, row.assignments)
    trial = Trial(reference.stage, row.number, config, row.assignments, split.hash)
    result = _result(trial, facts, study.rows, files)
    if result is None:
        raise StudyError(_gone(trial, study.name, files))
    return Measured(reference, trial, split, facts, result)


def _result(trial: Trial, facts: StudyFacts, rows: tuple[TrialRow, ...], files: StudyFiles) -> TrialResult | None:
    """The trial's own result, or that of an equal trial, which it took over."""
    key = config_key(trial.config, trial.split_hash)
    own = load_result(files.result(trial.stage, trial.number), key=key)
    if own is not None or trial.stage == "confirm":
        return own
    twins = (row for row in rows if row.state == "complete" and row.number != trial.number)
    equal = (t.number for t in twins if config_key(apply(facts.spec.base, t.assignments), trial.split_hash) == key)
    found = (load_result(files.result("search", number), key=key) for number in equal)
    return next((result for result in found if result is not None), None)


def _gone(trial: Trial, study: str, files: StudyFiles) -> str:
    if trial.stage == "confirm":
        return (
            f"trial {trial.number} of study {study!r} has not been confirmed with the study's present settings: only "
            "the base and the confirm.top_k best trials are. Raise confirm.top_k and run the sweep file again, which "
            "trains only what is missing."
        )
    return (
        f"the result of trial {trial.number} of study {study!r} is not in {files.result('search', trial.number)}: the "
        "file is gone or damaged. Put it back, or compare confirmations, which running the sweep file again restores."
    )
