"""How a study stands, for whoever looks at it or steers it without running it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fer_sweep.errors import StudyError
from fer_sweep.study.claim import claimant_of
from fer_sweep.study.database import open_storage, opened_storage
from fer_sweep.study.home import Home
from fer_sweep.study.lock import coordinator_of
from fer_sweep.study.orders import Order, Orders
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.store import row_of
from fer_sweep.study.stored import StoredStudy, storage_with, stored_studies, stored_study


@dataclass(frozen=True)
class Standing:
    """A study, who runs it (None: nobody), since when it is paused (None: it is not), and which orders wait for a
    trial."""

    study: StoredStudy
    run_by: str | None
    paused: str | None
    waiting: tuple[Order, ...]


def standings(home: Home, name: str | None) -> list[Standing]:
    """One study, or all by name. Raises StudyError for a name that does not exist."""
    studies = stored_studies(home) if name is None else [stored_study(home, name)]
    return [_standing(home, study) for study in studies]


def run_by(home: Home, name: str) -> str | None:
    """Who runs a study, here or on another machine that shares the database; None if nobody does."""
    return coordinator_of(home.study(name)) or claimant_of(home, name)


def _standing(home: Home, study: StoredStudy) -> Standing:
    waiting: tuple[Order, ...] = ()
    with opened_storage(home) as storage:
        study_id = storage.get_study_id_from_name(study.name)
        book = Orders(storage, study_id).look()
        if book.queue:
            trials = storage.get_all_trials(study_id, deepcopy=False)
            obeyed = {trial.user_attrs.get("order") for trial in trials}
            waiting = tuple(order for order in book.queue if order.id not in obeyed)
    return Standing(study, run_by(home, study.name), book.paused, waiting)


def stored_outcome(home: Home, name: str, number: int) -> tuple[TrialRow, Mapping[str, Any]]:
    """A trial's row and, once it has ended, all that is known of how. Raises StudyError if there is no such trial."""
    with storage_with(home, name) as storage:
        trials = storage.get_all_trials(storage.get_study_id_from_name(name), deepcopy=False)
    if number >= len(trials):
        raise StudyError(f"study {name!r} has no trial {number}. It has {len(trials)} trials, the first is 0.")
    return row_of(trials[number]), trials[number].user_attrs.get("outcome", {})


def open_orders(home: Home, name: str) -> Orders:
    """The orders of a study, to look at or to give. Raises StudyError, with the names that exist, if there is none."""
    stored_study(home, name)
    storage = open_storage(home)
    return Orders(storage, storage.get_study_id_from_name(name))
