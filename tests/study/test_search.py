"""The search: trial 0, exact caps, grids, time budgets, early termination."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from optuna.samplers import TPESampler

from fer_sweep.spec import grid
from fer_sweep.study.events import EpochReported, TrialFinished
from fer_sweep.study.importance import importance
from fer_sweep.study.study import run_study
from tests.study.studies import SGD, UNITS, ended, finished, inline, opened, reason, rows, run, run_and_cut, sweep

OUTSIDE = {"kind": "mlp", "hidden_units": 5}


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_run_cap_is_exact(tmp_path: Path, at_once: int) -> None:
    spec = sweep(run_cap=7, resources={"trials_at_once": at_once})
    events = run(spec, tmp_path)
    assert sorted(event.trial.number for event in finished(events)) == list(range(7))
    assert [row.state for row in rows(spec, tmp_path)] == ["complete"] * 7
    assert reason(events) == "run_cap: 7 trials"


def test_raising_run_cap_later_continues(tmp_path: Path, trained: list[int]) -> None:
    run(sweep(run_cap=4), tmp_path)
    assert not finished(run(sweep(run_cap=4), tmp_path))
    events = run(sweep(run_cap=9), tmp_path)
    assert [event.trial.number for event in finished(events)] == [4, 5, 6, 7, 8]
    assert trained == list(range(9))


def test_a_sweep_without_parameters_runs_the_base_once(tmp_path: Path) -> None:
    events = run(sweep({}), tmp_path)
    assert [(e.trial.number, e.row.state, dict(e.trial.assignments)) for e in finished(events)] == [(0, "complete", {})]
    assert reason(events) == "the search space is exhausted: all 1 configurations are done"


@pytest.mark.parametrize("method", ["bayes", "random", "qmc", "grid"])
@pytest.mark.parametrize("model", [{"kind": "mlp", "hidden_units": 4}, OUTSIDE])
def test_trial_0_is_the_base(tmp_path: Path, method: str, model: dict[str, Any]) -> None:
    spec = sweep({"model.hidden_units": UNITS}, method=method, model=model, run_cap=3)
    first = finished(run(spec, tmp_path))[0]
    assert first.trial.number == 0
    assert first.trial.config == spec.base
    assert first.row.state == "complete"


def test_a_base_outside_the_space_hides_nothing_from_the_sampler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = sweep(method="bayes", model=OUTSIDE, run_cap=20, resources={"trials_at_once": 4})
    modelled: list[set[str]] = []
    sample = TPESampler.sample_relative

    def noted(*arguments: Any) -> dict[str, Any]:
        found = sample(*arguments)
        modelled.append(set(found))
        return found

    monkeypatch.setattr(TPESampler, "sample_relative", noted)
    run(spec, tmp_path)
    with opened(spec, tmp_path) as study:
        shares = importance(study.store.trials(), study.spec.metric.goal)
    assert set(shares) == {"train.learning_rate", "model.hidden_units"}
    assert modelled[-1] == set(shares), "modelled, not drawn at random"


GRID: dict[str, dict[str, Any]] = {
    "removal.rule": {"distribution": "categorical", "values": ["none", "bdr"]},
    "removal.start": {"distribution": "int_uniform", "min": 2, "max": 4, "when": {"removal.rule": ("bdr",)}},
    "train.momentum": {"distribution": "q_uniform", "min": 0.1, "max": 0.3, "q": 0.1},
    "train.optimizer": {"distribution": "constant", "value": "sgd"},
}


@pytest.mark.parametrize("momentum", [0.30000000000000004, 0.7])
def test_a_grid_runs_every_point_exactly_once_also_over_a_restart(
    tmp_path: Path, trained: list[int], momentum: float
) -> None:
    spec = sweep(GRID, method="grid", run_cap=None, train={**SGD, "momentum": momentum})
    points = [repr(point) for point in grid(spec.parameters)]
    assert len(points) == 12
    outside = momentum == 0.7
    run_and_cut(spec, tmp_path, 30)
    events = run(spec, tmp_path)
    found = [repr(dict(row.assignments)) for row in ended(events)]
    assert sorted(found[1:] if outside else found) == sorted(points)
    assert found[0] == "{}" if outside else found[0] in points
    assert {row.state for row in ended(events)} == {"complete"}
    assert reason(events) == f"the search space is exhausted: all {len(found)} configurations are done"
    assert set(trained) == set(range(12 + outside))


def test_a_time_budget_ends_running_trials_and_the_search(tmp_path: Path) -> None:
    spec = sweep(budget={"max_hours": 1e-9}, run_cap=50, train={"epochs": 300})
    events = run(spec, tmp_path)
    assert [event.row.state for event in finished(events)] == ["pruned"] * 3
    assert {event.row.note for event in finished(events)} == {"stopped: budget"}
    assert all(event.row.mean is not None for event in finished(events))
    assert reason(events) == "budget.max_hours: 1e-09"
    again = run(spec, tmp_path)
    assert not finished(again)
    assert reason(again) == reason(events)


def test_trials_left_running_end_at_once_when_the_budget_is_spent(tmp_path: Path) -> None:
    spec = sweep(budget={"max_hours": 1e-9}, run_cap=50, train={"epochs": 300})
    run_and_cut(spec, tmp_path, 4)
    assert [row.state for row in rows(spec, tmp_path)] == ["running"] * 3
    events = run(spec, tmp_path)
    assert [event.row.note for event in finished(events)] == ["stopped: budget"] * 3


def test_median_prunes_a_bad_trial_but_not_before_the_last_first_removal(tmp_path: Path) -> None:
    rates = [0.05, 0.051, 0.052, 0.053, 0.054, 0.055, 1e-9]
    spec = sweep(
        {
            "train.learning_rate": {"distribution": "categorical", "values": rates},
            "removal.start": {"distribution": "categorical", "values": [12]},
        },
        method="grid",
        run_cap=None,
        train={"epochs": 30, "learning_rate": 0.05},
        removal={"rule": "bdr", "start": 3, "min_per_class": 1, "stop_variance": None},
        early_terminate={"type": "median"},
        resources={"trials_at_once": 1},
    )
    events = run(spec, tmp_path)
    last = finished(events)[-1]
    assert last.trial.assignments["train.learning_rate"] == 1e-9
    assert (last.row.state, last.row.note) == ("pruned", "stopped: median")
    epochs = [e.report.epoch for e in events if isinstance(e, EpochReported) and e.trial.number == last.trial.number]
    assert 12 <= epochs[-1] < 20
    stored_epochs = {e.row.number: len(e.result.reports) for e in finished(events) if e.result is not None}
    assert stored_epochs[last.trial.number] == len(epochs)


def test_hyperband_prunes_and_the_search_ends(tmp_path: Path) -> None:
    rates = {"distribution": "log_uniform_values", "min": 1e-9, "max": 0.1}
    spec = sweep(
        {"train.learning_rate": rates},
        method="bayes",
        run_cap=24,
        train={"epochs": 30, "learning_rate": 0.05},
        early_terminate={"type": "hyperband"},
        resources={"trials_at_once": 4},
    )
    events = finished(run(spec, tmp_path))
    assert len(events) == 24
    assert {event.row.state for event in events} == {"complete", "pruned"}
    assert {event.row.note for event in events if event.row.state == "pruned"} == {"stopped: hyperband"}


def test_a_trial_begins_with_the_seed_of_its_number(tmp_path: Path) -> None:
    one, three = (run(sweep(resources={"trials_at_once": n}), tmp_path / str(n)) for n in (1, 3))

    def seeds(events: Sequence[object]) -> dict[int, tuple[int, ...]]:
        results = {e.trial.number: e.result for e in events if isinstance(e, TrialFinished)}
        return {number: tuple(n.seed for n in result.networks) for number, result in results.items() if result}

    assert seeds(one) == seeds(three)
    assert len({seed for trial in seeds(one).values() for seed in trial}) == 6 * len(seeds(one)[0])


def test_closing_a_study_stops_training(tmp_path: Path) -> None:
    with opened(sweep(), tmp_path) as study:
        events = run_study(study, executor=inline(study.samples))
        next(events)
        events.close()
        assert list(events) == []
