"""What fails a trial, what stops the study, and what is neither's fault."""

import errno
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from fer_sweep.data import Samples, Split
from fer_sweep.execution import inline
from fer_sweep.study import search
from fer_sweep.study.journal import save_result
from fer_sweep.training.records import Record, TrialResult
from fer_sweep.training.trials import TrialRequest, run_trials
from tests.study.studies import (
    DIVERGES,
    RATE,
    SGD,
    finished,
    reason,
    rows,
    run,
    sweep,
)


def test_a_diverged_trial_fails_with_a_note_and_the_study_goes_on(tmp_path: Path) -> None:
    spec = sweep({"train.weight_decay": DIVERGES}, method="grid", run_cap=None, train=SGD)
    events = sorted(finished(run(spec, tmp_path)), key=lambda event: event.trial.number)
    assert [event.row.state for event in events] == ["complete", "failed"]
    failure = events[1].failure
    assert failure is not None
    assert failure.kind == "diverged"
    assert events[1].row.note == failure.message
    assert "the network diverged" in failure.message
    assert events[1].result is None


def test_too_many_failures_stop_the_search(tmp_path: Path) -> None:
    spec = sweep(
        {"train.weight_decay": {**DIVERGES, "values": [1e30]}, "train.learning_rate": RATE},
        train=SGD,
        run_cap=50,
        budget={"max_failed": 2},
        resources={"trials_at_once": 1},
    )
    events = run(spec, tmp_path)
    assert len(finished(events)) == 3
    assert reason(events).startswith(
        "budget.max_failed: 2 trials failed, the last with: the training loss is no longer"
    )
    assert reason(run(spec, tmp_path)) == reason(events)


def test_an_invalid_configuration_fails_alone(tmp_path: Path) -> None:
    spec = sweep(
        {
            "removal.start": {"distribution": "categorical", "values": [2, 8]},
            "train.epochs": {"distribution": "categorical", "values": [6, 10]},
        },
        method="grid",
        run_cap=None,
        removal={"rule": "bdr", "start": 2},
    )
    events = finished(run(spec, tmp_path))
    assert len(events) == 4
    (failed,) = [event for event in events if event.row.state == "failed"]
    assert dict(failed.trial.assignments) == {"removal.start": 8, "train.epochs": 6}
    assert failed.row.note.startswith("not a valid configuration: ")
    assert "removal.start: 8 is never reached" in failed.row.note
    assert failed.failure is not None


def test_an_exception_fails_only_the_trial_that_raises_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashing(
        requests: Sequence[TrialRequest], samples: Samples, split: Split, *, device: torch.device, checkpoints: Path
    ) -> Generator[Record, str | None, None]:
        for record in run_trials(requests, samples, split, device=device):
            if record.trial == 1 and not isinstance(record, TrialResult) and getattr(record, "epoch", 0) == 5:
                raise RuntimeError("out of memory")
            yield record

    monkeypatch.setattr(inline, "run_trials", crashing)
    spec = sweep(early_terminate={"type": "median"})  # reports to the pruner are repeated, too
    events = finished(run(spec, tmp_path))
    assert {e.trial.number: e.row.state for e in events if e.row.state == "failed"} == {1: "failed"}
    assert sorted(e.trial.number for e in events) == list(range(6))
    failed = next(e for e in events if e.trial.number == 1)
    assert failed.failure is not None
    assert failed.row.note == "RuntimeError: out of memory"
    assert "in crashing" in failed.failure.traceback


def test_a_full_disk_is_not_the_trials_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    spec = sweep(resources={"trials_at_once": 1})
    monkeypatch.setattr(search, "save_result", full)
    with pytest.raises(OSError, match="No space left"):
        run(spec, tmp_path)
    assert [row.state for row in rows(spec, tmp_path)] == ["running"]
    monkeypatch.setattr(search, "save_result", save_result)
    run(spec, tmp_path)
    assert [row.state for row in rows(spec, tmp_path)] == ["complete"] * 6


def test_failures_in_a_row_stop_the_search(tmp_path: Path) -> None:
    spec = sweep(
        {"train.weight_decay": {**DIVERGES, "values": [1e30]}, "train.learning_rate": RATE},
        train=SGD,
        run_cap=50,
        budget={"max_failed": None, "max_failed_in_a_row": 3},
        resources={"trials_at_once": 1},
    )
    events = run(spec, tmp_path)
    assert len(finished(events)) == 4  # the base is no failure
    assert reason(events).startswith(
        "budget.max_failed_in_a_row: 3 trials failed in a row, the last with: the training loss is no longer"
    )


def test_a_proposal_equal_to_a_failed_trial_fails_with_reference_and_is_no_further_failure(
    tmp_path: Path, trained: list[int]
) -> None:
    spec = sweep({"train.weight_decay": DIVERGES}, train=SGD, run_cap=12, budget={"max_failed": 2})
    events = finished(run(spec, tmp_path))
    failed = [event for event in events if event.row.state == "failed"]
    assert len(events) == 12
    assert len(trained) == 2
    assert len(failed) > 2
    first = failed[0].trial.number
    assert {event.reused_from for event in failed[1:]} == {first}
    assert {event.failure.kind for event in failed if event.failure is not None} == {"diverged"}
    assert all(event.row.note.startswith(f"equal to trial {first}, which failed: ") for event in failed[1:])
