"""Proposals stay in the space, follow their probabilities, and are functions of the sweep file and the number."""

import math
from collections import Counter
from typing import Any

import optuna
import pytest

from fer_sweep.spec import SweepSpec, active, contains
from fer_sweep.spec.search import Scalar
from fer_sweep.study.base import base_in_space
from fer_sweep.study.proposals import Proposer
from fer_sweep.study.sampling import STARTUP_TRIALS
from tests.study.studies import sweep

METHODS = ("random", "bayes", "qmc")
EVERYTHING: dict[str, dict[str, Any]] = {
    "train.learning_rate": {"distribution": "log_uniform_values", "min": 1e-3, "max": 1e-1},
    "train.momentum": {"distribution": "uniform", "min": 0.0, "max": 0.9},
    "train.weight_decay": {"distribution": "q_uniform", "min": 0.1, "max": 0.75, "q": 0.1},
    "train.optimizer": {"distribution": "categorical", "values": ["sgd", "adam"]},
    "train.normalize": {"distribution": "categorical", "values": [True, False, "all"]},
    "train.epochs": {"distribution": "constant", "value": 12},
    "model.hidden_units": {"distribution": "q_log_uniform_values", "min": 3, "max": 50, "q": 4},
    "removal.rule": {"distribution": "categorical", "values": ["none", "bdr"]},
    "removal.alpha": {"distribution": "uniform", "min": 0.0, "max": 1.0, "when": {"removal.rule": ("bdr",)}},
    "removal.start": {"distribution": "int_uniform", "min": 2, "max": 6, "when": {"removal.rule": ("bdr",)}},
    "removal.interval": {"distribution": "q_uniform", "min": 1, "max": 8, "q": 3, "when": {"removal.rule": ("bdr",)}},
}


def proposals(spec: SweepSpec, count: int, *, learn: bool = True) -> list[dict[str, Scalar]]:
    """Proposals of a fresh study that is told a made-up value for each."""
    study = optuna.create_study(direction="maximize")
    proposer = Proposer(spec)
    made = []
    for number in range(count):
        assignments = proposer.ask(study, number, number)
        made.append(assignments)
        if learn:
            rate = assignments.get("train.learning_rate", 0.01)
            assert isinstance(rate, float)
            study.tell(number, -abs(math.log10(rate) + 2) + 0.01 * number)
    return made


@pytest.mark.parametrize("method", METHODS)
def test_every_value_lies_in_its_domain(method: str) -> None:
    spec = sweep(EVERYTHING, method=method, removal={"rule": "none"})
    for assignments in proposals(spec, 40)[1:]:
        assert all(contains(spec.parameters[path], value) for path, value in assignments.items())
        assert set(assignments) == active(spec.parameters, assignments)


@pytest.mark.parametrize("method", METHODS)
def test_values_with_a_step_are_the_multiples_that_people_write(method: str) -> None:
    spec = sweep(EVERYTHING, method=method)
    made = proposals(spec, 60, learn=False)[1:]
    assert {a["train.weight_decay"] for a in made} == {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7}
    units = {a["model.hidden_units"] for a in made}
    assert units <= set(range(4, 49, 4))
    assert all(isinstance(u, int) for u in units)
    assert {a["removal.interval"] for a in made if "removal.interval" in a} == {1, 4, 7}


@pytest.mark.parametrize("method", METHODS)
def test_two_fresh_studies_make_the_same_proposals(method: str) -> None:
    spec = sweep(EVERYTHING, method=method)
    assert proposals(spec, 15) == proposals(spec, 15)


@pytest.mark.parametrize("method", METHODS)
def test_another_seed_makes_other_proposals(method: str) -> None:
    made = [proposals(sweep(EVERYTHING, method=method, seed=seed), 5) for seed in (0, 1)]
    assert made[0][1:] != made[1][1:]
    assert made[0][0] == made[1][0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("units", [4, 5])
def test_the_first_proposal_is_the_base_or_nothing_if_it_lies_outside(method: str, units: int) -> None:
    spec = sweep(method=method, model={"kind": "mlp", "hidden_units": units})
    assert base_in_space(spec) == (units == 4)
    assert proposals(spec, 1) == [{"train.learning_rate": 0.01, "model.hidden_units": 4} if units == 4 else {}]


def test_probabilities_are_honoured_by_random_search() -> None:
    # sums to 0.9999999: a sweep file may, numpy may not
    values = {"distribution": "categorical", "values": [2, 4, 6], "probabilities": [0.7, 0.2, 0.0999999]}
    made = proposals(sweep({"model.hidden_units": values}, run_cap=400), 400, learn=False)
    counts = Counter(a["model.hidden_units"] for a in made[1:])
    assert 0.62 < counts[2] / 399 < 0.78
    assert 0.05 < counts[6] / 399 < 0.15


def test_probabilities_are_honoured_while_bayes_draws_at_random() -> None:
    values = {"distribution": "categorical", "values": [2, 4, 6], "probabilities": [0.0, 1.0, 0.0]}
    both = {"train.learning_rate": EVERYTHING["train.learning_rate"], "model.hidden_units": values}
    told = proposals(sweep(both, method="bayes"), STARTUP_TRIALS)
    untold = proposals(sweep(both, method="bayes"), 2 * STARTUP_TRIALS, learn=False)  # a large batch knows no result
    assert {a["model.hidden_units"] for a in told + untold} == {4}


def test_bayes_searches_where_results_are_good() -> None:
    both = {"train.learning_rate": {**EVERYTHING["train.learning_rate"], "min": 1e-5, "max": 1.0}}
    spec = sweep(both, method="bayes", train={"epochs": 10, "learning_rate": 10.0})
    assert not base_in_space(spec)
    study = optuna.create_study(direction="maximize")
    proposer = Proposer(spec)
    rates = []
    for number in range(60):
        assignments = proposer.ask(study, number, number)
        rate = assignments.get("train.learning_rate", 10.0)
        assert isinstance(rate, float)
        rates.append(rate)
        study.tell(number, -abs(math.log10(rate) + 2))
    late = rates[40:]
    assert sum(3e-3 < rate < 3e-2 for rate in late) > len(late) / 2  # a fifth, if it were random


@pytest.mark.parametrize("units", [4, 5])
def test_qmc_spreads_evenly_whether_or_not_the_base_lies_inside(units: int) -> None:
    spec = sweep(
        {"train.momentum": {"distribution": "uniform", "min": 0.0, "max": 0.8}},
        method="qmc",
        train={"epochs": 10, "momentum": 0.0 if units == 4 else 0.9},
        run_cap=64,
    )
    made = [a["train.momentum"] for a in proposals(spec, 64, learn=False)[1:]]
    eighths = Counter(int(float(value) / 0.1) for value in made)
    assert all(7 <= eighths[i] <= 8 for i in range(8))
