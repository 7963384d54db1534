"""The Optuna database: the truth of a search. The only module that opens studies and reads or writes their trials."""

import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from fer_sweep.errors import StudyError
from fer_sweep.spec import SweepSpec, flatten
from fer_sweep.spec.search import Scalar
from fer_sweep.study.home import Home
from fer_sweep.study.rows import State, TrialRow, ranked

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
}

_FREE_TO_CHANGE = ("name", "description", "run_cap", "budget.", "confirm", "resources.executor", "resources.device", "data.path")
"""Parts of a sweep file that may change between two runs of one study: they do not change what a trial means."""


def identity(spec: SweepSpec, *, fingerprint: str, split_hash: str) -> dict[str, Scalar | None]:
    """What must stay equal for trials to belong together: dotted path -> value, data content and splits included."""
    fixed = {path: v for path, v in flatten(spec).items() if not path.startswith(_FREE_TO_CHANGE)}
    return {**fixed, "(data content)": fingerprint, "(splits)": split_hash}


def open_storage(home: Home) -> RDBStorage:
    """The database of all studies of a project, created on first use."""
    home.root.mkdir(parents=True, exist_ok=True)
    return RDBStorage(home.optuna_url, engine_kwargs={"connect_args": {"timeout": 60}})


class StudyStore:
    """One study in the database."""

    def __init__(self, study: optuna.Study) -> None:
        self.study = study

    @property
    def name(self) -> str:
        return self.study.study_name

    @classmethod
    def open(cls, spec: SweepSpec, storage: RDBStorage, *, parts: Mapping[str, Scalar | None], branch: bool) -> "StudyStore":
        """Create the study of a sweep file, or resume it. A changed file is refused with the differences; with
        `branch` it gets a study of its own (name.2, name.3, ...), or resumes the one it already has."""
        known = set(optuna.get_all_study_names(storage))
        name, number = spec.name, 1
        while name in known:
            study = optuna.load_study(study_name=name, storage=storage)
            stored = study.user_attrs.get("identity", {})
            if stored == dict(parts):
                return cls(study)
            if not branch:
                raise StudyError(_changed(name, stored, parts))
            number += 1
            name = f"{spec.name}.{number}"
        study = optuna.create_study(study_name=name, storage=storage, direction=spec.metric.goal)
        study.set_user_attr("optuna", optuna.__version__)
        study.set_user_attr("metric", spec.metric.name)
        study.set_user_attr("identity", dict(parts))
        return cls(study)

    # -- reading -----------------------------------------------------------------------------------------------------

    def trials(self) -> list[FrozenTrial]:
        """All trials that have begun, by number."""
        begun = [t for t in self.study.get_trials(deepcopy=False) if t.state is not TrialState.WAITING]
        return sorted(begun, key=lambda t: t.number)

    def rows(self) -> list[TrialRow]:
        return [row_of(trial) for trial in self.trials()]

    # -- writing -----------------------------------------------------------------------------------------------------

    def note(self, trial: optuna.Trial | FrozenTrial, key: str, value: Any) -> None:
        self.study._storage.set_trial_user_attr(trial._trial_id, key, value)

    def tell(self, number: int, *, state: State, value: float | None = None) -> None:
        """End a trial. `pruned` keeps the last reported value."""
        told = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}.get(state, TrialState.FAIL)
        self.study.tell(number, value if told is TrialState.COMPLETE else None, state=told)


def row_of(trial: FrozenTrial) -> TrialRow:
    """A trial of the database as a row."""
    attrs = trial.user_attrs
    score = attrs.get("score") or {}
    mean = score.get("mean")
    return TrialRow(
        number=trial.number,
        state="skipped" if attrs.get("skipped") else _STATES[trial.state],
        assignments=attrs.get("assignments", {}),
        mean=mean if mean is not None and math.isfinite(mean) else None,
        spread=score.get("spread"),
        n=score.get("n", 0),
        seconds=attrs.get("seconds", 0.0),
        note=attrs.get("note", ""),
    )


def _changed(name: str, stored: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    lines = [
        f"  {path}: {json.dumps(stored.get(path))} -> {json.dumps(parts.get(path))}"
        for path in sorted({*stored, *parts})
        if stored.get(path) != parts.get(path)
    ]
    return (
        f"study {name!r} exists and was run with a different sweep file or different data:\n"
        + "\n".join(lines)
        + "\nIts trials cannot be mixed with new ones. Either give the file another name (name: ... or --set name=...), "
        "or add --branch to run the changed file as a study of its own beside the old one."
    )


@dataclass(frozen=True)
class StoredStudy:
    """A study as the database has it, for looking at."""

    name: str
    metric: str
    goal: Literal["maximize", "minimize"]
    rows: tuple[TrialRow, ...]

    @property
    def best(self) -> TrialRow | None:
        order = ranked(self.rows, self.goal)
        return order[0] if order else None

    @property
    def base(self) -> TrialRow | None:
        return next((row for row in self.rows if row.is_base), None)


def stored_studies(home: Home) -> list[StoredStudy]:
    """All studies of a project, by name; none if it has no database yet (looking creates nothing)."""
    if not home.optuna_file.exists():
        return []
    storage = open_storage(home)
    found = []
    for name in sorted(optuna.get_all_study_names(storage)):
        store = StudyStore(optuna.load_study(study_name=name, storage=storage))
        goal: Literal["maximize", "minimize"] = (
            "maximize" if store.study.direction is optuna.study.StudyDirection.MAXIMIZE else "minimize"
        )
        rows = tuple(row for row in store.rows() if row.state != "skipped")
        found.append(StoredStudy(name, store.study.user_attrs.get("metric", "accuracy"), goal, rows))
    return found
