"""The search: one coordinator that asks Optuna for trials, runs them, tells what came out, and keeps every cap exact.

Resuming needs no special path. A trial that a crash left RUNNING is simply run again under its number, with the
parameters the database holds; if its result had already reached the disk, it is told without being run. Batches are
aligned to trial numbers and a proposal's seed is a function of its number, so a resumed study proposes what an
uninterrupted one would have.
"""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Literal

from fer_sweep.data import Samples, Split
from fer_sweep.errors import SpecError
from fer_sweep.execution.executor import Executor, WorkerLost
from fer_sweep.spec import SweepSpec, apply
from fer_sweep.spec.search import Scalar
from fer_sweep.study.base import planned_trials, search_size
from fer_sweep.study.budget import Budget
from fer_sweep.study.events import (
    EpochReported,
    Event,
    SearchEnded,
    Trial,
    TrialFinished,
    TrialInterrupted,
    TrialStarted,
)
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.journal import load_result, save_result
from fer_sweep.study.keys import config_key, trial_seed
from fer_sweep.study.proposals import Proposer
from fer_sweep.study.pruning import PruningPlan, pruner_for, pruning_plan
from fer_sweep.study.rows import State, TrialRow
from fer_sweep.study.store import StudyStore
from fer_sweep.training.metrics import objective_scores
from fer_sweep.training.records import EpochReport, TrialFailure, TrialResult
from fer_sweep.training.trial_run import TrialRequest

NETWORKS_AT_ONCE = {"cpu": 32, "cuda": 512}
"""`trials_at_once: auto` asks for as many trials as make about this many networks, but at most MOST_AT_ONCE: a larger
batch trains faster per network and lets the sampler learn less often."""
MOST_AT_ONCE = 8
MOST_SKIPS = 50
"""Skipped duplicates in a row after which the space counts as exhausted."""


@dataclass(frozen=True)
class Proposal:
    """A trial that Optuna holds RUNNING. key: hash of its configuration and the splits. `problem` says why the
    assignments are no valid configuration; `trial` has the base's then."""

    trial: Trial
    key: str
    problem: str = ""


class Search:
    """The search of one study. `events()` runs it to its end; everything else is a step of it."""

    def __init__(
        self,
        spec: SweepSpec,
        samples: Samples,
        split: Split,
        *,
        store: StudyStore,
        files: StudyFiles,
        executor: Executor,
    ) -> None:
        self._spec, self._samples, self._split = spec, samples, split
        self._store, self._files, self._executor = store, files, executor
        self._plan: PruningPlan | None = pruning_plan(spec)
        self._proposer = Proposer(spec)
        self._at_once = trials_at_once(spec, split, device=executor.device_type, slots=executor.slots)
        self._budget = Budget(spec.budget, files.spent, gpus=executor.gpus)
        store.study.pruner = pruner_for(spec, self._plan)

    def events(self) -> Generator[Event, None, None]:
        """Run trials until a cap is reached."""
        try:
            while True:
                batch = self._unfinished()
                reason = self._why_stop()
                if reason is None and (not batch or len(batch) == self._store.states.total() % self._at_once):
                    batch += self._ask()  # after a crash in the middle of asking: the rest of that batch
                if not batch:
                    yield SearchEnded(reason or "nothing left to propose")
                    return
                yield from self._work(batch)
        finally:
            self._budget.save()

    # -- which trials ------------------------------------------------------------------------------------------------

    def _unfinished(self) -> list[Proposal]:
        """Trials that an interrupted run left RUNNING, under their own numbers."""
        running = self._store.running()
        return [self._proposal(trial.number, trial.user_attrs["assignments"]) for trial in running]

    def _why_stop(self) -> str | None:
        return why_stop(self._spec, self._store.rows(), self._store.states, self._budget)

    def _ask(self) -> list[Proposal]:
        states, cap = self._store.states, planned_trials(self._spec)
        first = states.total()
        count = self._at_once - first % self._at_once
        if cap is not None:
            count = min(count, cap - (first - states["skipped"]))
        asked = []
        for number in range(first, first + count):
            proposal = self._proposal(number, self._proposer.ask(self._store.study, number))
            self._store.begin(proposal.trial.number, proposal.trial.assignments, key=proposal.key)
            asked.append(proposal)
        return asked

    def _proposal(self, number: int, assignments: Mapping[str, Scalar]) -> Proposal:
        try:
            config = apply(self._spec.base, assignments)
        except SpecError as error:
            invalid = Trial("search", number, self._spec.base, assignments, self._split.hash)
            return Proposal(invalid, "", problem=str(error))
        trial = Trial("search", number, config, assignments, self._split.hash)
        return Proposal(trial, config_key(config, self._split.hash))

    # -- trials that need no training --------------------------------------------------------------------------------

    def _work(self, batch: Sequence[Proposal]) -> Generator[Event, None, None]:
        """Bring proposals to an end. One that repeats another of the batch waits for what comes out of that one."""
        fresh: list[Proposal] = []
        repeats: list[Proposal] = []
        for proposal in batch:
            ended = self._without_running(proposal)
            if ended is not None:
                if ended.row.state != "skipped":
                    yield ended
            elif self._spec.duplicates != "replicate" and proposal.key in {other.key for other in fresh}:
                repeats.append(proposal)
            else:
                fresh.append(proposal)
        yield from self._run(fresh)
        if repeats:
            yield from self._work(repeats)

    def _without_running(self, proposal: Proposal) -> TrialFinished | None:
        """Finish a trial that cannot run, whose result is on disk already, or which repeats an earlier trial."""
        number = proposal.trial.number
        if proposal.problem:
            message = f"not a valid configuration: {proposal.problem}"
            return self._fail(proposal, TrialFailure(number, "error", message))
        kept = load_result(self._files.result("search", number), key=proposal.key)
        if kept is not None:
            return self._finish(proposal, kept)
        for twin in () if self._spec.duplicates == "replicate" else self._store.complete_with(proposal.key):
            if self._spec.duplicates == "skip":
                self._store.tell(number, {"skipped": True, "note": f"equal to trial {twin}"}, state="failed")
                return TrialFinished(proposal.trial, self._store.row(number), None)
            result = load_result(self._files.result("search", twin), key=proposal.key)
            if result is not None:
                return self._finish(proposal, result, reused_from=twin)
        return None

    # -- running -----------------------------------------------------------------------------------------------------

    def _run(self, batch: Sequence[Proposal]) -> Generator[Event, None, None]:
        if not batch:
            return
        for proposal in batch:
            yield TrialStarted(proposal.trial)
        by_number = {proposal.trial.number: proposal for proposal in batch}
        epochs = self._plan.epochs if self._plan is not None else ()
        requests = [
            TrialRequest(p.trial.number, p.trial.config, trial_seed(self._spec.seed, p.trial), epochs) for p in batch
        ]
        initial: dict[int, float] = {}
        stop: str | None = None
        self._budget.begin(time.monotonic())
        with closing(self._executor.run(requests, self._split, folder=self._files.stage("search"))) as records:
            while True:
                try:
                    record = records.send(stop)
                except StopIteration:
                    return
                stop = None
                self._budget.tick(time.monotonic())
                proposal = by_number[record.trial]
                if isinstance(record, EpochReport):
                    initial.setdefault(record.trial, record.active_samples)
                    yield EpochReported(proposal.trial, record)
                    stop = "budget" if self._budget.exceeded() else self._prune(proposal, record, initial[record.trial])
                elif isinstance(record, WorkerLost):
                    yield TrialInterrupted(proposal.trial, record.why)
                elif isinstance(record, TrialFailure):
                    yield self._fail(proposal, record)
                else:
                    save_result(self._files.result("search", record.trial), record, key=proposal.key)
                    yield self._finish(proposal, record)

    def _prune(self, proposal: Proposal, report: EpochReport, initial: float) -> str | None:
        if self._plan is None or not self._plan.applies(proposal.trial.config, report, initial):
            return None
        value = (report.validation or report.test).value(self._spec.metric.name)
        prune = self._store.report(proposal.trial.number, report.epoch, value)
        return self._spec.early_terminate.type if prune else None

    # -- telling -----------------------------------------------------------------------------------------------------

    def _finish(self, proposal: Proposal, result: TrialResult, reused_from: int | None = None) -> TrialFinished:
        number = proposal.trial.number
        scores = objective_scores(result, self._samples.y, self._samples.classes)
        estimate = scores.estimate(self._spec.metric.name)
        note = f"stopped: {result.stopped}" if result.stopped else ""
        outcome = {
            **asdict(estimate),
            "seconds": 0.0 if reused_from is not None else result.seconds,
            "note": note if reused_from is None else f"equal to trial {reused_from}",
            "reused_from": reused_from,
        }
        self._store.tell(number, outcome, state="pruned" if result.stopped else "complete", value=estimate.mean)
        return TrialFinished(proposal.trial, self._store.row(number), result, reused_from=reused_from)

    def _fail(self, proposal: Proposal, failure: TrialFailure) -> TrialFinished:
        outcome = {"note": failure.message, "kind": failure.kind, "traceback": failure.traceback}
        self._store.tell(proposal.trial.number, outcome, state="failed")
        return TrialFinished(proposal.trial, self._store.row(proposal.trial.number), None, failure=failure)


def why_stop(spec: SweepSpec, every: Sequence[TrialRow], states: Mapping[State, int], budget: Budget) -> str | None:
    """Which cap a search has reached, or None. every: all its rows; states: how many of them are in each state."""
    trials, failed = len(every) - states.get("skipped", 0), states.get("failed", 0)
    skips = next((i for i, row in enumerate(reversed(every)) if row.state != "skipped"), len(every))
    size, most_failed = search_size(spec), spec.budget.max_failed
    if size is not None and trials >= size:
        return f"the search space is exhausted: all {size} configurations are done"
    if spec.run_cap is not None and trials >= spec.run_cap:
        return f"run_cap: {spec.run_cap} trials"
    if most_failed is not None and failed >= most_failed:
        last = next((row.note for row in reversed(every) if row.state == "failed"), "")
        return f"budget.max_failed: {failed} trials failed, the last with: {last}"
    if skips >= MOST_SKIPS:
        return f"the search space is exhausted: {skips} proposals in a row were duplicates (duplicates: skip)"
    return budget.exceeded()


def trials_at_once(spec: SweepSpec, split: Split, *, device: Literal["cpu", "cuda"], slots: int) -> int:
    """How many trials are asked together: as many as run at the same time, or train as one program."""
    if isinstance(spec.resources.trials_at_once, int):
        return spec.resources.trials_at_once
    if spec.trains_on_pictures:
        return slots
    return max(1, min(MOST_AT_ONCE, NETWORKS_AT_ONCE[device] // len(split.folds))) * slots
