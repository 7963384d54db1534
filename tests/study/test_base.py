"""The base as a point of the space, and how many trials there will be."""

from typing import Any

import pytest

from fer_sweep.spec import Parameter
from fer_sweep.spec.search import Scalar
from fer_sweep.study.base import as_written, base_assignments, base_in_space, planned_trials
from tests.study.studies import RATE, UNITS, sweep


def parameter(**given: Any) -> Parameter:
    return Parameter.model_validate(given)


@pytest.mark.parametrize(
    ("given", "value", "written"),
    [
        ({"distribution": "q_uniform", "min": 0.1, "max": 0.9, "q": 0.1}, 0.1 + 0.2, 0.3),
        ({"distribution": "q_uniform", "min": 0.05, "max": 0.9, "q": 0.1}, 0.15000000000000002, 0.15),
        ({"distribution": "q_uniform", "min": 1, "max": 9, "q": 2}, 5.0, 5),
        ({"distribution": "q_log_uniform_values", "min": 0.3, "max": 0.7, "q": 0.1}, 0.74, 0.7),
        ({"distribution": "q_log_uniform_values", "min": 3, "max": 50, "q": 4}, 3.01, 4),
        ({"distribution": "q_log_uniform_values", "min": 3, "max": 50, "q": 4}, 49.9, 48),
        ({"distribution": "categorical", "values": [1, 2]}, 1.0, 1),
        ({"distribution": "categorical", "values": [1, True]}, True, True),
        ({"distribution": "constant", "value": 3}, 3.0, 3),
        ({"distribution": "uniform", "min": 0.0, "max": 1.0}, 0.25, 0.25),
    ],
)
def test_a_value_is_written_as_the_space_writes_it(given: dict[str, Any], value: Scalar, written: Scalar) -> None:
    found = as_written(parameter(**given), value)
    assert (found, type(found)) == (written, type(written))


def test_the_base_has_the_listed_choices() -> None:
    spec = sweep({"train.momentum": {"distribution": "categorical", "values": [0, 0.5]}}, train={"epochs": 10})
    assert repr(base_assignments(spec)) == repr({"train.momentum": 0})
    assert base_in_space(spec)


def test_parameters_that_the_base_lacks_are_not_part_of_it() -> None:
    when = {"when": {"removal.rule": ("bdr",)}}
    spec = sweep(
        {
            "removal.rule": {"distribution": "categorical", "values": ["none", "bdr"]},
            "removal.alpha": {"distribution": "uniform", "min": 0.0, "max": 1.0, **when},
        }
    )
    assert base_assignments(spec) == {"removal.rule": "none"}
    assert base_in_space(spec)


def test_a_base_with_a_value_that_is_no_candidate_lies_outside() -> None:
    assert not base_in_space(sweep(model={"kind": "mlp", "hidden_units": 5}))
    assert not base_in_space(sweep({}))


@pytest.mark.parametrize(
    ("changes", "units", "trials"),
    [
        ({"run_cap": 6}, 4, 6),
        ({"run_cap": None, "budget": {"max_hours": 1.0}}, 4, None),
        ({"method": "grid", "run_cap": None}, 4, 3),
        ({"method": "grid", "run_cap": None}, 5, 4),
        ({"method": "grid", "run_cap": 2}, 4, 2),
        ({"method": "grid", "run_cap": 99}, 5, 4),
    ],
)
def test_the_number_of_trials(changes: dict[str, Any], units: int, trials: int | None) -> None:
    space = {"model.hidden_units": UNITS} | ({} if changes.get("method") == "grid" else {"train.learning_rate": RATE})
    assert planned_trials(sweep(space, model={"kind": "mlp", "hidden_units": units}, **changes)) == trials


def test_without_parameters_there_is_one_trial() -> None:
    assert planned_trials(sweep({}, run_cap=None)) == 1
    assert planned_trials(sweep({}, run_cap=10)) == 1
