"""Writes to the database of searches that outlast its absence: a restart of Postgres costs a study some waiting."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from fer_sweep.errors import StudyError
from fer_sweep.study.claim import StudyClaim

PATIENCE = 300.0
"""Seconds for which a database may be away."""
PAUSE = 1.0

T = TypeVar("T")
_TAKEN = (
    "another process has written trial {number} of the study while its database was away. Nothing that was computed is "
    "lost: run the same command again, which goes on from what the database has."
)


class Writer:
    """The writes of a study's coordinator. claim: its right to make them, on a database for several machines; None on a
    SQLite file, which is never away.

    Each write may be made again: one that had reached the database before its answer was lost changes nothing.
    """

    def __init__(self, storage: RDBStorage, study_id: int, claim: StudyClaim | None) -> None:
        self._storage, self._study_id, self._claim = storage, study_id, claim

    def create_trial(self, number: int, template: FrozenTrial) -> int:
        """Put a trial into the database. Returns its id there."""

        def create() -> int:
            found = None if self._claim is None else self._id_of(number)
            if found is None:
                return self._storage.create_new_trial(self._study_id, template_trial=template)
            if self._storage.get_trial(found).user_attrs != template.user_attrs:
                raise StudyError(_TAKEN.format(number=number))
            return found  # it arrived, only the answer did not

        return self._patiently(create)

    def _id_of(self, number: int) -> int | None:
        try:
            return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        except KeyError:
            return None

    def set_intermediate_value(self, trial_id: int, step: int, value: float) -> None:
        """Keep an intermediate value."""
        self._patiently(lambda: self._storage.set_trial_intermediate_value(trial_id, step, value))

    def end(self, trial_id: int, outcome: Mapping[str, Any], state: TrialState, values: list[float] | None) -> None:
        """End a trial."""

        def end() -> None:
            try:
                self._storage.set_trial_user_attr(trial_id, "outcome", dict(outcome))
                self._storage.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                found = self._storage.get_trial(trial_id)
                if (found.state, found.user_attrs.get("outcome")) != (state, dict(outcome)):
                    raise StudyError(_TAKEN.format(number=found.number)) from None
                # it had arrived, only the answer had not

        self._patiently(end)

    def _patiently(self, write: Callable[[], T]) -> T:
        """Write; where the database is away, again and again for some time.

        Raises StudyError if it stays away, or if another process has taken the study in the meantime.
        """
        begun: float | None = None
        while True:
            try:
                if self._claim is not None:
                    self._claim.renew()  # the pool takes up a lost connection silently, and the lock is gone then
                return write()
            except (StorageInternalError, SQLAlchemyError) as error:
                if self._claim is None:
                    raise
                now = time.monotonic()
                if begun is None:
                    begun = now
                    logging.getLogger(__name__).warning("the database of searches does not answer; waiting for it")
                if now - begun > PATIENCE:
                    raise StudyError(
                        f"the database of searches has not answered for {PATIENCE:.0f} seconds. Nothing that was "
                        "computed is lost: when it is back, the same command resumes."
                    ) from error
                time.sleep(PAUSE)


def unless_away(read: Callable[[], T]) -> T | None:
    """What is read, or None while the database is away: the next write waits for it."""
    try:
        return read()
    except (StorageInternalError, SQLAlchemyError):
        return None
