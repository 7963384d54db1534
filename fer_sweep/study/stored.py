"""Studies as the database has them, for looking at: nothing is locked, nothing is created."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from optuna.storages import RDBStorage
from optuna.study import StudyDirection

from fer_sweep.errors import StudyError
from fer_sweep.study.database import database_exists, name_of, opened_storage
from fer_sweep.study.home import Home
from fer_sweep.study.rows import Part, TrialRow, ranked
from fer_sweep.study.store import row_of


@dataclass(frozen=True)
class StoredStudy:
    """A study as the database has it, for looking at."""

    name: str
    metric: str
    goal: Literal["maximize", "minimize"]
    rows: tuple[TrialRow, ...]
    part: Part

    @property
    def best(self) -> TrialRow | None:
        order = ranked(self.rows, self.goal)
        return order[0] if order else None

    @property
    def base(self) -> TrialRow | None:
        return next((row for row in self.rows if row.is_base), None)


def study_names(home: Home) -> list[str]:
    """Names of all studies that the database has, sorted; none if there is no database."""
    if not database_exists(home):
        return []
    with opened_storage(home) as storage:
        return _names(storage)


def stored_studies(home: Home) -> list[StoredStudy]:
    """All studies of a project, by name; none if it has no database yet (looking creates nothing)."""
    if not database_exists(home):
        return []
    with opened_storage(home) as storage:
        return [study_in(storage, name) for name in _names(storage)]


def stored_study(home: Home, name: str) -> StoredStudy:
    """A study by its name. Raises StudyError, with the names that exist, if there is none."""
    with storage_with(home, name) as storage:
        return study_in(storage, name)


@contextmanager
def storage_with(home: Home, name: str) -> Iterator[RDBStorage]:
    """The database for a while, which has a study of this name. Raises StudyError, with the names that exist, if it has
    none; looking creates nothing."""
    names: list[str] = []
    if database_exists(home):
        with opened_storage(home) as storage:
            names = _names(storage)
            if name in names:
                yield storage
                return
    known = ", ".join(names) or "none"
    raise StudyError(f"no study is called {name!r} in {name_of(home)}. Known studies: {known}.")


def _names(storage: RDBStorage) -> list[str]:
    return sorted(study.study_name for study in storage.get_all_studies())


def study_in(storage: RDBStorage, name: str) -> StoredStudy:
    """A study that the database has."""
    study = storage.get_study_id_from_name(name)
    (direction,) = storage.get_study_directions(study)
    goal: Literal["maximize", "minimize"] = "maximize" if direction is StudyDirection.MAXIMIZE else "minimize"
    rows = (row_of(trial) for trial in storage.get_all_trials(study, deepcopy=False))
    shown = tuple(row for row in rows if row.state != "skipped")
    attributes = storage.get_study_user_attrs(study)
    validates = attributes.get("identity", {}).get("protocol.validation_fraction", 0.0) > 0.0
    part: Part = "validation" if validates else "test"
    return StoredStudy(name, attributes.get("metric", "accuracy"), goal, shown, part)
