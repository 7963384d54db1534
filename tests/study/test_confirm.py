"""Confirmation on fresh splits: paired, resumable, honest."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fer_sweep.data import load_samples, make_split
from fer_sweep.execution import inline as inline_module
from fer_sweep.spec import SweepSpec
from fer_sweep.study.confirm import confirm, fresh_split
from fer_sweep.study.events import Confirmed, Event, StudyFinished, TrialFinished, TrialStarted
from fer_sweep.study.home import Home
from fer_sweep.study.rows import ranked
from fer_sweep.study.statistics import corrected_comparison, holm
from fer_sweep.study.steering import Steering
from fer_sweep.training.metrics import scores_on_test
from fer_sweep.training.trials import run_trials
from tests.study.studies import UNITS, inline, opened, rows, run, sweep

CONFIRM = {"top_k": 2, "repeats": 2}


def confirmed(events: Sequence[Event]) -> tuple[Confirmed, ...]:
    (last,) = [event for event in events if isinstance(event, StudyFinished)]
    assert tuple(event for event in events if isinstance(event, Confirmed)) == last.confirmed
    return last.confirmed


def results(events: Sequence[Event]) -> dict[int, TrialFinished]:
    return {e.trial.number: e for e in events if isinstance(e, TrialFinished) and e.trial.stage == "confirm"}


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_the_base_and_the_best_are_compared_on_fresh_splits(tmp_path: Path, goal: str) -> None:
    spec = sweep(confirm=CONFIRM, metric={"name": "accuracy", "goal": goal})
    events = run(spec, tmp_path)
    found = confirmed(events)
    best = [row.number for row in ranked(rows(spec, tmp_path), spec.metric.goal) if row.number != 0][:2]
    assert {one.trial.number for one in found} == {0, *best}
    means = [one.metric.mean for one in found]
    assert means == sorted(means, reverse=goal == "maximize")
    (base,) = [one for one in found if one.trial.number == 0]
    assert base.comparison is None
    assert base.trial.config == spec.base

    samples = load_samples(spec.data)
    split, searched = fresh_split(spec, samples), make_split(samples, spec.protocol)
    assert split.hash != searched.hash
    assert len(split.folds) == 4
    runs = results(events)
    for event in runs.values():
        assert event.result is not None
        assert event.row.n == 4
        for network, fold in zip(event.result.networks, split.folds, strict=True):
            np.testing.assert_array_equal(network.test, fold.test)

    def accuracies(number: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        result = runs[number].result
        assert result is not None
        return scores_on_test(result, samples.y, samples.classes).by_network["accuracy"].ravel()

    ratio = float(np.mean([len(fold.test) / len(fold.train) for fold in split.folds]))
    others = [one for one in found if one.trial.number != 0]
    by_hand = [
        corrected_comparison(accuracies(one.trial.number) - accuracies(0), test_to_train=ratio) for one in others
    ]
    assert [one.comparison for one in others] == holm(by_hand)


def test_equal_configurations_are_confirmed_once_and_the_base_is_not_among_the_best(tmp_path: Path) -> None:
    spec = sweep({"model.hidden_units": UNITS}, run_cap=9, confirm={"top_k": 5, "repeats": 2})
    found = confirmed(run(spec, tmp_path))
    assert len(found) == 3
    units = [one.trial.assignments.get("model.hidden_units") for one in found if one.trial.number != 0]
    assert sorted(str(unit) for unit in units) == ["2", "6"]


def test_a_confirmation_is_resumed_without_training_again(tmp_path: Path) -> None:
    spec = sweep(confirm=CONFIRM)
    first = run(spec, tmp_path)
    path = Home(tmp_path).study("tiny")
    lost = max(results(first))
    path.result("confirm", lost).unlink()
    again = run(spec, tmp_path)
    assert [event.trial.number for event in again if isinstance(event, TrialStarted)] == [lost]
    assert confirmed(again) == confirmed(first)


def test_more_repeats_are_other_splits_and_are_trained(tmp_path: Path) -> None:
    run(sweep(confirm=CONFIRM), tmp_path)
    again = run(sweep(confirm={"top_k": 1, "repeats": 3}), tmp_path)
    assert len([event for event in again if isinstance(event, TrialStarted)]) == 2


def test_a_base_that_fails_leaves_nothing_to_compare_with(tmp_path: Path) -> None:
    sane = sweep(
        {"train.weight_decay": {"distribution": "categorical", "values": [0.0]}},
        method="grid",
        run_cap=None,
        train={"epochs": 10, "optimizer": "sgd", "weight_decay": 1e30},
        confirm=CONFIRM,
    )
    events = run(sane, tmp_path)
    assert [event.row.state for event in results(events).values()] == ["failed", "complete"]
    assert [(one.trial.number, one.comparison) for one in confirmed(events)] == [(1, None)]


def test_a_training_error_fails_one_configuration_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec: SweepSpec = sweep(confirm=CONFIRM)
    run(spec.model_copy(update={"confirm": None}), tmp_path)

    def crashing(requests, *given, **named):  # type: ignore[no-untyped-def]
        if len(requests) > 1 or requests[0].number != 0:
            raise RuntimeError("out of memory")
        yield from run_trials(requests, *given, **named)

    monkeypatch.setattr(inline_module, "run_trials", crashing)
    with opened(spec, tmp_path) as study:
        events = list(
            confirm(
                spec,
                study.samples,
                study.store.rows(),
                files=study.files,
                executor=inline(study.samples),
                steering=Steering(study.store.orders),
            )
        )
    failed = [event for event in results(events).values() if event.row.state == "failed"]
    assert [event.row.note for event in failed] == ["RuntimeError: out of memory"] * 2
    assert [event.trial.number for event in events if isinstance(event, Confirmed)] == [0]
