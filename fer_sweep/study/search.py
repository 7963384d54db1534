"""The search: one coordinator that asks Optuna for trials, runs them, tells what came out, and keeps every cap exact.

Resuming needs no special path. A trial that a crash left RUNNING is simply run again under its number, with the
parameters the database holds; if its result had already reached the disk, it is told without being run. Batches are
aligned to trial numbers and a proposal's seed is a function of its number, so a resumed study proposes what an
uninterrupted one would have.
"""

import json
import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import optuna
import torch
from optuna.trial import TrialState

from fer_sweep.data import Samples, Split
from fer_sweep.errors import SpecError
from fer_sweep.spec import SweepSpec, apply, grid
from fer_sweep.study.base import base_assignments, base_in_space, planned_trials
from fer_sweep.study.budget import Budget
from fer_sweep.study.events import EpochReported, Event, SearchEnded, Trial, TrialFinished, TrialStarted
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.journal import load_result, save_result
from fer_sweep.study.keys import config_key
from fer_sweep.study.pruning import PruningPlan, pruner_for, pruning_plan
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.sampling import sampler_for, suggest
from fer_sweep.study.store import StudyStore, row_of
from fer_sweep.training.metrics import objective_scores
from fer_sweep.training.records import EpochReport, Record, TrialFailure, TrialResult
from fer_sweep.training.seeds import derive_seed
from fer_sweep.training.trials import TrialRequest, run_trials

NETWORKS_AT_ONCE = {"cpu": 32, "cuda": 512}
"""`trials_at_once: auto` asks for as many trials as make about this many networks, but at most MOST_AT_ONCE: a larger
batch trains faster per network and lets the sampler learn less often."""
MOST_AT_ONCE = 8
MOST_SKIPS = 50
"""Skipped duplicates in a row after which the space counts as exhausted."""


@dataclass(frozen=True)
class Proposal:
    """A trial that Optuna holds RUNNING. key: hash of its configuration and the splits."""

    optuna_trial: optuna.Trial
    trial: Trial
    key: str
    seed: int


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
        device: torch.device,
    ) -> None:
        self._spec, self._samples, self._split = spec, samples, split
        self._store, self._files, self._device = store, files, device
        self._plan: PruningPlan | None = pruning_plan(spec)
        self._enqueue = Enqueuer(spec)
        self._budget = Budget(spec.budget, files.spent, gpus=1 if device.type == "cuda" else 0)
        store.study.pruner = pruner_for(spec, self._plan)

    def events(self) -> Generator[Event, None, None]:
        """Run trials until a cap is reached."""
        while True:
            batch = list(self._unfinished())
            if not batch:
                reason = self._why_stop()
                if reason is not None:
                    yield SearchEnded(reason)
                    return
                batch = list(self._ask())
            fresh = []
            for proposal in batch:
                event = self._without_running(proposal)
                if event is None:
                    fresh.append(proposal)
                elif event.row.state != "skipped":
                    yield event
            yield from self._run(fresh)

    # -- which trials ------------------------------------------------------------------------------------------------

    def _unfinished(self) -> Iterator[Proposal]:
        """Trials that an interrupted run left RUNNING, under their own numbers."""
        for frozen in self._store.trials():
            if frozen.state is TrialState.RUNNING:
                self._store.study.sampler = sampler_for(self._spec, frozen.number)
                proposal = self._propose(optuna.Trial(self._store.study, frozen._trial_id))
                if proposal is not None:
                    yield proposal

    def _why_stop(self) -> str | None:
        rows = [row for row in self._store.rows() if row.state != "skipped"]
        failed = sum(row.state == "failed" for row in rows)
        cap = planned_trials(self._spec)
        if cap is not None and len(rows) >= cap:
            return f"run_cap: {cap} trials"
        if self._spec.budget.max_failed is not None and failed >= self._spec.budget.max_failed:
            return f"budget.max_failed: {failed} trials failed, the last with: {rows[-1].note or 'see its run'}"
        if self._trailing_skips() >= MOST_SKIPS:
            return f"the search space is exhausted: {MOST_SKIPS} proposals in a row were duplicates (duplicates: skip)"
        return self._budget.exceeded()

    def _trailing_skips(self) -> int:
        states = [row.state for row in self._store.rows()]
        return next((i for i, state in enumerate(reversed(states)) if state != "skipped"), len(states))

    def _ask(self) -> Iterator[Proposal]:
        rows = self._store.rows()
        at_once = trials_at_once(self._spec, self._split, self._device)
        count = at_once - len(rows) % at_once
        cap = planned_trials(self._spec)
        if cap is not None:
            count = min(count, cap - sum(row.state != "skipped" for row in rows))
        for number in range(len(rows), len(rows) + count):
            self._store.study.sampler = sampler_for(self._spec, number)
            self._enqueue(self._store.study, number)
            proposal = self._propose(self._store.study.ask())
            if proposal is not None:
                yield proposal

    def _propose(self, trial: optuna.Trial) -> Proposal | None:
        base_outside = trial.number == 0 and not base_in_space(self._spec)
        assignments = {} if base_outside else suggest(trial, self._spec.parameters)
        self._store.note(trial, "assignments", assignments)
        try:
            config = apply(self._spec.base, assignments)
        except SpecError as error:
            self._store.note(trial, "note", f"not a valid configuration: {error}")
            self._store.tell(trial.number, state="failed")
            return None
        return Proposal(
            optuna_trial=trial,
            trial=Trial("search", trial.number, config, assignments),
            key=config_key(config, self._split.hash),
            seed=derive_seed(self._spec.seed, "trial", trial.number),
        )

    # -- trials that need no training --------------------------------------------------------------------------------

    def _without_running(self, proposal: Proposal) -> TrialFinished | None:
        """Finish a trial whose result is on disk already, or which repeats an earlier trial."""
        number = proposal.trial.number
        kept = load_result(self._files.result("search", number), key=proposal.key)
        if kept is not None:
            return self._finish(proposal, kept)
        twin = None if self._spec.duplicates == "replicate" else self._finished_twin(proposal)
        if twin is None:
            self._store.note(proposal.optuna_trial, "key", proposal.key)
            return None
        if self._spec.duplicates == "skip":
            self._store.note(proposal.optuna_trial, "skipped", True)
            self._store.tell(number, state="failed")
            return TrialFinished(proposal.trial, self._row(number), None)
        self._store.note(proposal.optuna_trial, "reused_from", twin)
        result = load_result(self._files.result("search", twin), key=proposal.key)
        if result is None:
            return None
        return self._finish(proposal, result, reused_from=twin)

    def _finished_twin(self, proposal: Proposal) -> int | None:
        for frozen in self._store.trials():
            same = frozen.user_attrs.get("key") == proposal.key and frozen.number != proposal.trial.number
            if same and frozen.state is TrialState.COMPLETE:
                return frozen.number
        return None

    # -- running -----------------------------------------------------------------------------------------------------

    def _run(self, batch: Sequence[Proposal]) -> Generator[Event, None, None]:
        if not batch:
            return
        for proposal in batch:
            yield TrialStarted(proposal.trial, proposal.seed)
        by_number = {proposal.trial.number: proposal for proposal in batch}
        epochs = self._plan.epochs if self._plan is not None else ()
        requests = [TrialRequest(p.trial.number, p.trial.config, p.seed, epochs) for p in batch]
        records = run_trials(requests, self._samples, self._split, device=self._device)
        initial: dict[int, float] = {}
        stop: str | None = None
        while True:
            try:
                record: Record = records.send(stop)
            except StopIteration:
                return
            except Exception as error:  # whatever training raises is that trial's failure, not the study's
                yield from self._after_crash(batch, error)
                return
            stop = None
            self._budget.tick(time.monotonic())
            proposal = by_number[record.trial]
            if isinstance(record, EpochReport):
                initial.setdefault(record.trial, record.active_samples)
                yield EpochReported(proposal.trial, record)
                stop = "budget" if self._budget.exceeded() else self._prune(proposal, record, initial[record.trial])
            elif isinstance(record, TrialFailure):
                yield self._fail(proposal, record)
            else:
                save_result(self._files.result("search", record.trial), record, key=proposal.key)
                yield self._finish(proposal, record)

    def _after_crash(self, batch: Sequence[Proposal], error: Exception) -> Generator[Event, None, None]:
        """One trial fails; several run again one at a time, so that one does not take the others with it."""
        unfinished = [p for p in batch if self._row(p.trial.number).state == "running"]
        if len(batch) > 1:
            for proposal in unfinished:
                yield from self._run([proposal])
        else:
            trace = "".join(traceback.format_exception(error))
            yield self._fail(
                batch[0], TrialFailure(batch[0].trial.number, "error", f"{type(error).__name__}: {error}", trace)
            )

    def _prune(self, proposal: Proposal, report: EpochReport, initial: float) -> str | None:
        if self._plan is None or not self._plan.applies(report, initial):
            return None
        value = (report.validation or report.test).value(self._spec.metric.name)
        proposal.optuna_trial.report(value, step=report.epoch)
        return self._spec.early_terminate.type if proposal.optuna_trial.should_prune() else None

    # -- telling -----------------------------------------------------------------------------------------------------

    def _finish(self, proposal: Proposal, result: TrialResult, reused_from: int | None = None) -> TrialFinished:
        number = proposal.trial.number
        scores = objective_scores(result, self._samples.y, self._samples.classes)
        estimate = scores.estimate(self._spec.metric.name)
        note = (
            f"equal to trial {reused_from}"
            if reused_from is not None
            else f"stopped: {result.stopped}"
            if result.stopped
            else ""
        )
        self._store.note(proposal.optuna_trial, "key", proposal.key)
        self._store.note(
            proposal.optuna_trial, "score", {"mean": estimate.mean, "spread": estimate.spread, "n": estimate.n}
        )
        self._store.note(proposal.optuna_trial, "seconds", 0.0 if reused_from is not None else result.seconds)
        self._store.note(proposal.optuna_trial, "note", note)
        self._store.tell(number, state="pruned" if result.stopped else "complete", value=estimate.mean)
        return TrialFinished(proposal.trial, self._row(number), result, reused_from=reused_from)

    def _fail(self, proposal: Proposal, failure: TrialFailure) -> TrialFinished:
        self._store.note(proposal.optuna_trial, "note", failure.message)
        self._store.note(
            proposal.optuna_trial, "failure", json.dumps({"kind": failure.kind, "traceback": failure.traceback})
        )
        self._store.tell(proposal.trial.number, state="failed")
        return TrialFinished(proposal.trial, self._row(proposal.trial.number), None, failure=failure)

    def _row(self, number: int) -> TrialRow:
        return row_of(self._store.trials()[number])


class Enqueuer:
    """Trial 0 is the base and a grid is a list; both are given to Optuna rather than drawn by it."""

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec
        self._base = base_assignments(spec)
        self._starts_with_base = base_in_space(spec)

    def __call__(self, study: optuna.Study, number: int) -> None:
        """Make sure that the next trial asked of the study is number `number` of this sweep file."""
        if study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            return  # a crash came between enqueueing and asking
        if number == 0 and self._starts_with_base:
            study.enqueue_trial(self._base)
        elif number > 0 and self._spec.method == "grid":
            points = (p for p in grid(self._spec.parameters) if not (self._starts_with_base and p == self._base))
            study.enqueue_trial(dict(next(islice(points, number - 1, None))))


def trials_at_once(spec: SweepSpec, split: Split, device: torch.device) -> int:
    """How many trials are asked together and trained as one program."""
    if isinstance(spec.resources.trials_at_once, int):
        return spec.resources.trials_at_once
    return max(1, min(MOST_AT_ONCE, NETWORKS_AT_ONCE[device.type] // len(split.folds)))
