"""A plan says what a run would do."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from fer_sweep.data import load_samples, make_split
from fer_sweep.spec import SweepSpec
from fer_sweep.study import plan as planning
from fer_sweep.study.plan import Plan, first_configurations, make_plan
from fer_sweep.training.trials import run_trials
from tests.study.studies import CPU, UNITS, rows, run, sweep


def planned(spec: SweepSpec, first: int = 3) -> Plan:
    samples = load_samples(spec.data)
    return make_plan(spec, samples, make_split(samples, spec.protocol), device=CPU, first=first, probe_seconds=0.05)


@pytest.mark.parametrize(
    ("method", "units"), [("bayes", 4), ("bayes", 5), ("random", 4), ("qmc", 4), ("grid", 4), ("grid", 5)]
)
def test_the_first_configurations_are_those_of_the_run(tmp_path: Path, method: str, units: int) -> None:
    spec = sweep(
        {"model.hidden_units": UNITS} if method == "grid" else None,
        method=method,
        run_cap=14,
        model={"kind": "mlp", "hidden_units": units},
    )
    run(spec, tmp_path)
    first = first_configurations(spec, 20, at_once=3)
    assert [dict(a) for a in first] == [dict(row.assignments) for row in rows(spec, tmp_path)][: len(first)]
    assert len(first) == {"bayes": 12, "grid": 3 if units == 4 else 4}.get(method, 14)


def test_a_plan_has_numbers_to_decide_by() -> None:
    spec = sweep({"model.hidden_units": UNITS}, confirm={"top_k": 2, "repeats": 5})
    plan = planned(spec)
    assert (plan.trials, plan.at_once, plan.space, plan.networks_per_trial) == (6, 3, 3, 2)
    assert len(plan.first) == 3
    assert plan.base_in_space
    assert plan.network_epochs_per_second > 0
    assert plan.seconds == pytest.approx(6 * 2 * 10 / plan.network_epochs_per_second)
    assert plan.seconds_confirm == pytest.approx(3 * 5 * 2 * 10 / plan.network_epochs_per_second)
    assert plan.probe_seconds > 0


def test_without_a_known_number_of_trials_there_is_no_estimate() -> None:
    plan = planned(sweep(run_cap=None, budget={"max_hours": 1.0}))
    assert plan.trials is None
    assert plan.seconds is None
    assert plan.seconds_confirm == 0.0


def test_an_svm_is_measured_too() -> None:
    assert planned(sweep({}, model={"kind": "svm"})).network_epochs_per_second > 0


def test_a_long_probe_is_cut_and_its_generator_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []

    def watched(requests: Any, *given: Any, **named: Any) -> Generator[Any, Any, None]:
        try:
            yield from run_trials(requests, *given, **named)
        finally:
            closed.append(len(requests))

    monkeypatch.setattr(planning, "run_trials", watched)
    plan = planned(sweep({}, train={"epochs": 100_000}))
    assert closed == [1], "no more copies than there are trials"
    assert plan.probe_seconds < 30
    assert plan.seconds is not None
    assert plan.seconds > plan.probe_seconds
