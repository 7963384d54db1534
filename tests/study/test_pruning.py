"""When trials are compared, and by which pruner."""

from typing import Any

import pytest
from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

from fer_sweep.study.pruning import COMPARISONS, PruningPlan, pruner_for, pruning_plan
from fer_sweep.training.records import EpochReport, MetricValues
from tests.study.studies import sweep

BDR = {"rule": "bdr", "start": 3}
RULES = {"distribution": "categorical", "values": ["none", "bdr"]}


def plan(parameters: dict[str, Any] | None = None, **changes: Any) -> PruningPlan:
    made = pruning_plan(sweep(parameters, **({"early_terminate": {"type": "median"}} | changes)))
    assert made is not None
    return made


def report(epoch: int, active: float = 30.0) -> EpochReport:
    return EpochReport(0, epoch, 10, 1.0, 1.0, active, 0.5, 1.0, MetricValues(0.5, 0.5, 0.5), None)


def test_without_early_termination_there_is_no_plan() -> None:
    assert pruning_plan(sweep()) is None
    assert isinstance(pruner_for(sweep(), None), NopPruner)


def test_trials_are_compared_a_limited_number_of_times() -> None:
    epochs = plan(train={"epochs": 2000}).epochs
    assert len(epochs) < COMPARISONS
    assert epochs[0] == 100
    assert epochs[-1] == 1900


def test_trials_of_different_length_are_compared_at_the_same_epochs() -> None:
    lengths = {"train.epochs": {"distribution": "categorical", "values": [10, 400]}}
    assert plan(lengths, train={"epochs": 10}).epochs == tuple(range(20, 400, 20))


def test_a_base_that_stops_early_is_compared_before_it_stops() -> None:
    assert plan(train={"epochs": 2000, "stop_at": 40}).epochs == tuple(range(2, 40, 2))
    later = {"train.stop_at": {"distribution": "categorical", "values": [20, 80]}}
    assert plan(later, train={"epochs": 2000, "stop_at": 40}).epochs == tuple(range(4, 80, 4))


@pytest.mark.parametrize(
    ("parameters", "changes", "floor"),
    [
        ({}, {}, 1),
        ({}, {"early_terminate": {"type": "median", "min_epoch": 4}}, 4),
        ({}, {"removal": BDR}, 3),
        ({}, {"removal": BDR, "early_terminate": {"type": "median", "min_epoch": 2}}, 3),
        ({"removal.start": {"distribution": "categorical", "values": [2, 7]}}, {"removal": BDR}, 7),
        ({"removal.start": {"distribution": "int_uniform", "min": 1, "max": 8}}, {"removal": BDR}, 8),
        ({"removal.start": {"distribution": "constant", "value": 6}}, {"removal": BDR}, 6),
        ({"removal.start": {"distribution": "constant", "value": 1}}, {"removal": BDR}, 3),  # the base counts, too
        ({"removal.rule": RULES}, {"removal": BDR}, 3),
        ({}, {"removal": {"rule": "guarded", "start": 3, "interval": 2}}, 5),
        ({}, {"removal": {"rule": "small_loss", "interval": 4}}, 4),
    ],
)
def test_no_trial_ends_before_the_last_first_removal(
    parameters: dict[str, Any], changes: dict[str, Any], floor: int
) -> None:
    made = plan(parameters, **changes)
    assert made.floor == floor
    assert min(made.epochs) >= floor


def test_a_trial_that_waits_for_its_peak_is_compared_once_it_has_removed_something() -> None:
    spec = sweep({"removal.rule": RULES}, early_terminate={"type": "median"}, removal={"rule": "bdr", "interval": 2})
    made = pruning_plan(spec)
    assert made is not None
    assert made.floor == 4
    assert not made.applies(spec.base, report(5), 30.0)
    assert made.applies(spec.base, report(5, active=29.5), 30.0)


def test_a_trial_without_removal_does_not_wait() -> None:
    spec = sweep({"removal.rule": RULES}, early_terminate={"type": "median"})
    made = pruning_plan(spec)
    assert made is not None
    assert made.applies(spec.base, report(5), 30.0)


def test_the_last_epoch_and_epochs_between_are_not_compared() -> None:
    made = PruningPlan(epochs=(2, 4, 10), floor=1)
    compared = [epoch for epoch in range(11) if made.applies(sweep().base, report(epoch), 30.0)]
    assert compared == [2, 4]


@pytest.mark.parametrize(("kind", "pruner"), [("median", MedianPruner), ("hyperband", HyperbandPruner)])
def test_the_pruner_is_the_one_asked_for(kind: str, pruner: type) -> None:
    spec = sweep(early_terminate={"type": kind})
    assert isinstance(pruner_for(spec, pruning_plan(spec)), pruner)


def test_training_too_short_to_compare_is_never_pruned() -> None:
    spec = sweep(early_terminate={"type": "hyperband"}, train={"epochs": 1})
    assert isinstance(pruner_for(spec, pruning_plan(spec)), NopPruner)
