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
from fer_sweep.execution.executor import Executor, Idle, WorkerLost
from fer_sweep.spec import SweepSpec, apply
from fer_sweep.spec.search import Scalar
from fer_sweep.study.base import search_size
from fer_sweep.study.budget import Budget
from fer_sweep.study.caps import counted, why_stop
from fer_sweep.study.events import (
    EpochReported,
    Event,
    SearchEnded,
    Trial,
    TrialFinished,
    TrialInterrupted,
    TrialStarted,
    Waiting,
)
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.journal import load_result, save_result
from fer_sweep.study.keys import config_key, trial_seed
from fer_sweep.study.orders import Order
from fer_sweep.study.proposals import Proposer
from fer_sweep.study.pruning import PruningPlan, pruner_for, pruning_plan
from fer_sweep.study.rows import ENDS, State
from fer_sweep.study.steering import STOPPED, Steering
from fer_sweep.study.store import StudyStore
from fer_sweep.training.metrics import objective_scores
from fer_sweep.training.records import EpochReport, TrialFailure, TrialResult
from fer_sweep.training.trial_run import TrialRequest

NETWORKS_AT_ONCE = {"cpu": 32, "cuda": 512}
"""`trials_at_once: auto` asks for as many trials as make about this many networks, but at most MOST_AT_ONCE: a larger
batch trains faster per network and lets the sampler learn less often."""
MOST_AT_ONCE = 8
BUDGET_NOTE = "stopped: budget"


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
        steering: Steering,
    ) -> None:
        self._steering = steering
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
                yield from self._steering.wait()
                if self._steering.ending is not None:
                    yield SearchEnded(STOPPED)
                    return
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
        return why_stop(self._spec, self._store, self._steering.look(), self._budget)

    def _waiting(self) -> list[Order]:
        return [order for order in self._steering.look().queue if order.id not in self._store.obeyed]

    def _ask(self) -> list[Proposal]:
        """The rest of a batch: the base first of all, then what was ordered, then what the method proposes."""
        first, size, waiting = self._store.states.total(), search_size(self._spec), self._waiting()
        count = self._at_once - first % self._at_once
        if self._spec.run_cap is not None:
            count = min(count, self._spec.run_cap - counted(self._store, self._steering.look()))
        asked: list[Proposal] = []
        for number in range(first, first + count):
            if waiting and number > 0:
                asked.append(self._obey(waiting.pop(0), number))
            elif size is None or self._store.proposed < size:
                position = self._store.proposed
                asked.append(self._proposal(number, self._proposer.ask(self._store.study, number, position)))
                self._store.begin(number, asked[-1].trial.assignments)
        return asked

    def _obey(self, order: Order, number: int) -> Proposal:
        wanted = order.assignments if order.trial is None else self._store.row(order.trial).assignments
        proposal = self._proposal(number, self._proposer.take(self._store.study, number, wanted))
        self._store.begin(number, proposal.trial.assignments, order=order)
        return proposal

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
            return self._fail(proposal, TrialFailure(number, "invalid", message))
        kept = load_result(self._files.result("search", number), key=proposal.key)
        if kept is not None:
            return self._finish(proposal, kept)
        return None if self._spec.duplicates == "replicate" else self._like_a_twin(proposal)

    def _like_a_twin(self, proposal: Proposal) -> TrialFinished | None:
        """End a trial as an equal one has ended: a configuration that was pruned is not given a second chance, and one
        that failed would fail again. Those that were lost, stopped by the budget or ordered again say nothing."""
        number, retried = proposal.trial.number, self._steering.look().retried
        for twin in (self._store.row(n) for state in ENDS for n in self._store.ended_as(state, proposal.key)):
            if twin.state == "failed" and (twin.number in retried or self._store.failure_of(twin.number) == "lost"):
                continue
            if twin.state == "pruned" and twin.note == BUDGET_NOTE:
                continue
            if self._spec.duplicates == "skip":
                outcome = {"skipped": True, "note": f"equal to trial {twin.number}"}
                self._store.tell(number, outcome, key=proposal.key, state="failed")
                return TrialFinished(proposal.trial, self._store.row(number), None)
            if twin.state == "failed":
                note = f"equal to trial {twin.number}, which failed: {twin.note}"
                failure = TrialFailure(number, self._store.failure_of(twin.number), note)
                return self._fail(proposal, failure, reused_from=twin.number)
            result = load_result(self._files.result("search", twin.number), key=proposal.key)
            if result is not None:
                return self._finish(proposal, result, reused_from=twin.number)
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
                if isinstance(record, Idle):
                    yield Waiting()
                    continue
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
        if reused_from is not None and result.stopped:
            outcome["note"] = f"equal to trial {reused_from}, which was {note}"
            self._store.copy_reports(number, reused_from)
        state: State = "pruned" if result.stopped else "complete"
        self._store.tell(number, outcome, key=proposal.key, state=state, value=estimate.mean)
        return TrialFinished(proposal.trial, self._store.row(number), result, reused_from=reused_from)

    def _fail(self, proposal: Proposal, failure: TrialFailure, reused_from: int | None = None) -> TrialFinished:
        outcome = {
            "note": failure.message,
            "kind": failure.kind,
            "traceback": failure.traceback,
            "reused_from": reused_from,
        }
        self._store.tell(proposal.trial.number, outcome, key=proposal.key, state="failed")
        return TrialFinished(proposal.trial, self._store.row(proposal.trial.number), None, failure, reused_from)


def trials_at_once(spec: SweepSpec, split: Split, *, device: Literal["cpu", "cuda"], slots: int) -> int:
    """How many trials are asked together: as many as run at the same time, or train as one program."""
    if isinstance(spec.resources.trials_at_once, int):
        return spec.resources.trials_at_once
    if spec.trains_on_pictures:
        return slots
    return max(1, min(MOST_AT_ONCE, NETWORKS_AT_ONCE[device] // len(split.folds))) * slots
