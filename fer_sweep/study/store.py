"""The Optuna database: the truth of a search. Only this module writes its trials; `stored.py` looks at studies."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import optuna
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from fer_sweep.errors import StudyError
from fer_sweep.spec import SweepSpec
from fer_sweep.spec.search import Scalar
from fer_sweep.study.claim import StudyClaim
from fer_sweep.study.orders import Order, Orders
from fer_sweep.study.rows import State, TrialRow
from fer_sweep.study.sight import Sight
from fer_sweep.study.writing import Writer

optuna.logging.set_verbosity(optuna.logging.WARNING)

_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
}


def resolve(spec: SweepSpec, storage: RDBStorage, *, parts: Mapping[str, Scalar | None], branch: bool) -> str:
    """Find or create the study of a sweep file; returns its name. A changed file is refused with the differences; with
    `branch` it gets a study of its own (name.2, name.3, ...), or the one it already has. Raises StudyError."""
    known = {study.study_name: study._study_id for study in storage.get_all_studies()}
    name, number = spec.name, 1
    while name in known:
        stored = storage.get_study_user_attrs(known[name]).get("identity")
        if stored == dict(parts):
            return name
        if stored is None and not storage.get_all_trials(known[name]):
            break  # a crash came between creating and signing it
        if not branch:
            raise StudyError(_changed(name, stored or {}, parts))
        number += 1
        name = f"{spec.name}.{number}"
    if name not in known:
        known[name] = storage.create_new_study([StudyDirection[spec.metric.goal.upper()]], name)
    storage.set_study_user_attr(known[name], "id", uuid4().hex)
    storage.set_study_user_attr(known[name], "optuna", optuna.__version__)
    storage.set_study_user_attr(known[name], "metric", spec.metric.name)
    storage.set_study_user_attr(known[name], "identity", dict(parts))
    return name


class StudyStore:
    """One study: the database, and a copy in memory for sampler and pruner, which read trials again and again.

    A trial reaches the database in one transaction when it begins, with all its parameters, so a crash leaves no half
    proposal; what happens to it afterwards is written to both. Nobody else writes: the caller holds the study's lock.
    What a search asks for every trial is kept up to date rather than counted anew, which would take ever longer.
    """

    def __init__(self, storage: RDBStorage, name: str, claim: StudyClaim | None = None) -> None:
        self.name = name
        self._study_id = storage.get_study_id_from_name(name)
        self.id: str = storage.get_study_user_attrs(self._study_id).get("id", "")
        """Of this study alone, while its name may be that of another home's too; empty if it began before
        2026-11-27."""
        self._database = Writer(storage, self._study_id, claim)
        self._memory = Sight()
        self._memory_study = self._memory.create_new_study(storage.get_study_directions(self._study_id), name)
        self.study = optuna.load_study(study_name=name, storage=self._memory)
        self._ids: list[int] = []
        """Trial number -> its id in the database."""
        self._rows: list[TrialRow] = []
        self._ended: dict[tuple[str, State], list[int]] = {}
        """Key of a configuration and a state -> the numbers of its trials that ended so."""
        self.proposed = 0
        """How many trials the method has proposed; the others were ordered."""
        self.obeyed: set[str] = set()
        """Ids of the orders that trials have obeyed."""
        self.states: Counter[State] = Counter()
        """How many trials there are of each state."""
        self.orders = Orders(storage, self._study_id)
        for trial in storage.get_all_trials(self._study_id, deepcopy=False):
            self.study.add_trial(trial)
            self._ids.append(trial._trial_id)
            self._note(trial)

    # -- reading -----------------------------------------------------------------------------------------------------

    def trials(self) -> list[FrozenTrial]:
        """All trials, by number."""
        return self._memory.every(self._memory_study)

    def running(self) -> list[FrozenTrial]:
        """Trials that have not ended, by number."""
        return [trial for trial in self.trials() if not trial.state.is_finished()] if self.states["running"] else []

    def rows(self) -> list[TrialRow]:
        return list(self._rows)

    def row(self, number: int) -> TrialRow:
        return self._rows[number]

    def ended_as(self, state: State, key: str) -> tuple[int, ...]:
        """Numbers of the trials of a configuration that ended in a state."""
        return tuple(self._ended.get((key, state), ()))

    def failure_of(self, number: int) -> str:
        """The kind of failure of a trial that has failed."""
        kind: str = self.trials()[number].user_attrs["outcome"]["kind"]
        return kind

    # -- writing -----------------------------------------------------------------------------------------------------

    def begin(self, number: int, assignments: Mapping[str, Scalar], *, order: Order | None = None) -> None:
        """Put a trial that was asked of `study` into the database, where it stays RUNNING until it is told. order: the
        one that it obeys; both are there, or neither."""
        if order is not None:
            self._memory.set_trial_user_attr(self._memory_id(number), "order", order.id)
            self._memory.set_trial_user_attr(self._memory_id(number), "origin", order.origin)
        self._memory.set_trial_user_attr(self._memory_id(number), "assignments", dict(assignments))
        asked = self._memory.get_trial(self._memory_id(number))
        asked.system_attrs = {}  # what the sampler noted while it asked; all that counts is among the parameters now
        self._ids.append(self._database.create_trial(number, asked))
        self._note(asked)

    def report(self, number: int, step: int, value: float) -> bool:
        """Report an intermediate value; returns whether the pruner wants the trial to end there.

        The database gets a value once its step is survived (`tell` writes the last one of a pruned trial). So a trial
        that runs again after a crash survives again what it had survived, whatever other trials have ended since.
        """
        known = self._memory.get_trial(self._memory_id(number)).intermediate_values
        if known and step <= max(known):
            return False
        self._memory.set_trial_intermediate_value(self._memory_id(number), step, value)
        prune = self.study.pruner.prune(self.study, self._memory.get_trial(self._memory_id(number)))
        if not prune:
            self._database.set_intermediate_value(self._ids[number], step, value)
        return prune

    def copy_reports(self, number: int, twin: int) -> None:
        """Give a trial that will not run the intermediate values of an equal one."""
        for step, value in self._memory.get_trial(self._memory_id(twin)).intermediate_values.items():
            self._database.set_intermediate_value(self._ids[number], step, value)
            self._memory.set_trial_intermediate_value(self._memory_id(number), step, value)

    def tell(
        self, number: int, outcome: Mapping[str, Any], *, key: str, state: State, value: float | None = None
    ) -> None:
        """End a trial with what row_of needs to know, and its configuration's key. `pruned` keeps the last reported
        value, if there is one."""
        outcome = {**outcome, "key": key}
        told = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}.get(state, TrialState.FAIL)
        if told is TrialState.PRUNED:
            known = self._memory.get_trial(self._memory_id(number)).intermediate_values
            value = known[max(known)] if known else None
            if value is not None:
                self._database.set_intermediate_value(self._ids[number], max(known), value)
        values = None if value is None or told is TrialState.FAIL else [value]
        self._database.end(self._ids[number], outcome, told, values)
        self._memory.set_trial_user_attr(self._memory_id(number), "outcome", outcome)
        self._memory.set_trial_state_values(self._memory_id(number), told, values)
        self._note(self._memory.get_trial(self._memory_id(number)))

    def _note(self, trial: FrozenTrial) -> None:
        """Keep what is known of all trials up to date with one that has begun or ended."""
        row = row_of(trial)
        if trial.number == len(self._rows):
            self._rows.append(row)
            self.proposed += "order" not in trial.user_attrs
            self.obeyed.update([trial.user_attrs["order"]] if "order" in trial.user_attrs else [])
        else:
            self.states[self._rows[trial.number].state] -= 1
            self._rows[trial.number] = row
        self.states[row.state] += 1
        if row.state in ("complete", "pruned", "failed"):
            known = (
                trial.user_attrs | trial.user_attrs["outcome"]
            )  # beside the outcome in studies begun before 2026-11-28
            self._ended.setdefault((known["key"], row.state), []).append(trial.number)

    def _memory_id(self, number: int) -> int:
        return self._memory.get_trial_id_from_study_id_trial_number(self._memory_study, number)


def row_of(trial: FrozenTrial) -> TrialRow:
    """A trial of the database as a row."""
    outcome = trial.user_attrs.get("outcome", {})
    return TrialRow(
        number=trial.number,
        state="skipped" if outcome.get("skipped") else _STATES[trial.state],
        assignments=trial.user_attrs.get("assignments", {}),
        mean=outcome.get("mean"),
        spread=outcome.get("spread"),
        n=outcome.get("n", 0),
        seconds=outcome.get("seconds", 0.0),
        note=outcome.get("note", ""),
        origin=trial.user_attrs.get("origin", ""),
        reused_from=outcome.get("reused_from"),
    )


def _changed(name: str, stored: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    def shown(side: Mapping[str, Any], path: str) -> str:
        return json.dumps(side[path], ensure_ascii=False) if path in side else "(absent)"

    lines = [
        f"  {path}: {shown(stored, path)} -> {shown(parts, path)}"
        for path in sorted({*stored, *parts})
        if shown(stored, path) != shown(parts, path)
    ]
    return (
        f"study {name!r} exists and was run with a different sweep file or different data:\n"
        + "\n".join(lines)
        + "\nIts trials cannot be mixed with new ones. Either give the file another name (name: ... or --set name=...)"
        ", or add --branch to run the changed file as a study of its own beside the old one."
    )
