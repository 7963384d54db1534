"""Confirmation: the best configurations of a search, and the base, run again on splits the search never saw.

The best of many trials on one set of splits looks better than it is. Fresh splits, shared by all configurations, give
the honest number; the differences from the base are paired by fold and tested with the corrected t of statistics.py.
"""

from collections.abc import Generator, Sequence
from contextlib import closing

from fer_sweep.data import Samples, Split, make_split
from fer_sweep.execution.executor import Executor, Idle, WorkerLost
from fer_sweep.spec import SweepSpec, apply
from fer_sweep.study.events import (
    Confirmed,
    EpochReported,
    Event,
    Trial,
    TrialFinished,
    TrialInterrupted,
    TrialStarted,
    Waiting,
)
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.journal import load_result, save_result
from fer_sweep.study.keys import config_key, trial_seed
from fer_sweep.study.rows import TrialRow, ranked
from fer_sweep.study.search import trials_at_once
from fer_sweep.study.statistics import Comparison, corrected_comparison, holm
from fer_sweep.study.steering import Steering
from fer_sweep.training.metrics import Scores, scores_on_test
from fer_sweep.training.records import EpochReport, TrialFailure, TrialResult
from fer_sweep.training.seeds import derive_seed
from fer_sweep.training.trial_run import TrialRequest


def fresh_split(spec: SweepSpec, samples: Samples) -> Split:
    """The confirmation's splits: the same rule, another seed, `confirm.repeats` repeats."""
    assert spec.confirm is not None
    seed = derive_seed(spec.protocol.seed, "confirm") % 2**32
    return make_split(samples, spec.protocol, seed=seed, repeats=spec.confirm.repeats)


def confirm(
    spec: SweepSpec,
    samples: Samples,
    rows: Sequence[TrialRow],
    *,
    files: StudyFiles,
    executor: Executor,
    steering: Steering,
) -> Generator[Event, None, tuple[Confirmed, ...]]:
    """Run the base and the top_k best other configurations on fresh splits. Returns them, best first; nothing if it was
    told to stop on the way.

    Always measured on the test folds, also where the search selected on validation data.
    """
    assert spec.confirm is not None
    split = fresh_split(spec, samples)
    measured: dict[int, tuple[Trial, Scores]] = {}
    fresh: list[Trial] = []
    candidates = _candidates(spec, rows, split)
    for trial in candidates:
        result = load_result(files.result("confirm", trial.number), key=config_key(trial.config, split.hash))
        if result is None:
            fresh.append(trial)
        else:
            measured[trial.number] = trial, scores_on_test(result, samples.y, samples.classes)
            yield TrialFinished(trial, confirmed_row(spec, trial, result, samples), result)
    at_once = trials_at_once(spec, split, device=executor.device_type, slots=executor.slots)
    for begin in range(0, len(fresh), at_once):
        yield from steering.wait()
        if steering.ending is not None:
            return ()
        batch = fresh[begin : begin + at_once]
        with closing(_train(spec, batch, samples, split, files=files, executor=executor)) as events:
            for event in events:
                if isinstance(event, TrialFinished) and event.result is not None:
                    scores = scores_on_test(event.result, samples.y, samples.classes)
                    measured[event.trial.number] = event.trial, scores
                yield event
    confirmed = _compare(spec, [measured[c.number] for c in candidates if c.number in measured], split)
    yield from confirmed
    return confirmed


def confirmed_before(
    spec: SweepSpec, samples: Samples, rows: Sequence[TrialRow], *, files: StudyFiles
) -> tuple[list[TrialFinished], tuple[Confirmed, ...], set[int]]:
    """What of the confirmation is on disk: its trials, how they compare, and the numbers of those that are not there
    (not run yet, or failed). Trains nothing and needs no features."""
    assert spec.confirm is not None
    split = fresh_split(spec, samples)
    trials = _candidates(spec, rows, split)
    kept = [
        (trial, load_result(files.result("confirm", trial.number), key=config_key(trial.config, split.hash)))
        for trial in trials
    ]
    done = [(trial, result) for trial, result in kept if result is not None]
    events = [TrialFinished(trial, confirmed_row(spec, trial, result, samples), result) for trial, result in done]
    measured = [(trial, scores_on_test(result, samples.y, samples.classes)) for trial, result in done]
    return events, _compare(spec, measured, split), {trial.number for trial, result in kept if result is None}


def _candidates(spec: SweepSpec, rows: Sequence[TrialRow], split: Split) -> list[Trial]:
    assert spec.confirm is not None
    base = Trial("confirm", 0, spec.base, {}, split.hash)
    trials, seen = [base], {config_key(spec.base, split.hash)}
    for row in ranked(rows, spec.metric.goal):
        trial = Trial("confirm", row.number, apply(spec.base, row.assignments), row.assignments, split.hash)
        key = config_key(trial.config, split.hash)
        if key not in seen and len(trials) <= spec.confirm.top_k:
            seen.add(key)
            trials.append(trial)
    return trials


def _train(
    spec: SweepSpec,
    trials: Sequence[Trial],
    samples: Samples,
    split: Split,
    *,
    files: StudyFiles,
    executor: Executor,
) -> Generator[Event]:
    by_number = {trial.number: trial for trial in trials}
    for trial in trials:
        yield TrialStarted(trial)
    requests = [TrialRequest(trial.number, trial.config, trial_seed(spec.seed, trial)) for trial in trials]
    with closing(executor.run(requests, split, folder=files.stage("confirm"))) as records:
        for record in records:
            if isinstance(record, Idle):
                yield Waiting()
                continue
            trial = by_number[record.trial]
            if isinstance(record, EpochReport):
                yield EpochReported(trial, record)
            elif isinstance(record, WorkerLost):
                yield TrialInterrupted(trial, record.why)
            elif isinstance(record, TrialFailure):
                failed = TrialRow(trial.number, "failed", trial.assignments, None, None, 0, 0.0, record.message)
                yield TrialFinished(trial, failed, None, failure=record)
            else:
                path, key = files.result("confirm", trial.number), config_key(trial.config, split.hash)
                save_result(path, record, key=key)
                yield TrialFinished(trial, confirmed_row(spec, trial, record, samples), record)


def confirmed_row(spec: SweepSpec, trial: Trial, result: TrialResult, samples: Samples) -> TrialRow:
    """The row of a confirmation run: its test score."""
    estimate = scores_on_test(result, samples.y, samples.classes).estimate(spec.metric.name)
    return TrialRow(
        trial.number, "complete", trial.assignments, estimate.mean, estimate.spread, estimate.n, result.seconds
    )


def _compare(spec: SweepSpec, measured: Sequence[tuple[Trial, Scores]], split: Split) -> tuple[Confirmed, ...]:
    name = spec.metric.name
    base = next((scores for trial, scores in measured if trial.number == 0), None)
    others = [(trial, scores) for trial, scores in measured if trial.number != 0]
    comparisons: Sequence[Comparison | None] = [None] * len(others)
    if base is not None:
        differences = [(scores.by_network[name] - base.by_network[name]).ravel() for _, scores in others]
        comparisons = holm([corrected_comparison(d, test_to_train=split.test_to_train) for d in differences])
    rows = [Confirmed(t, s.estimate(name), c) for (t, s), c in zip(others, comparisons, strict=True)]
    rows += [Confirmed(trial, scores.estimate(name), None) for trial, scores in measured if trial.number == 0]
    sign = -1.0 if spec.metric.goal == "maximize" else 1.0
    return tuple(sorted(rows, key=lambda row: sign * row.metric.mean))
