"""Removals by class, against what can be counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from fer_sweep.training.records import NetworkResult, Removal
from fer_sweep.training.removal_metrics import ClassRemovals, removals_by_class
from tests.tracking.factories import TRAIN_SIZE, samples_for, trial_result

NOBODY = np.empty(0, dtype=np.int64)


def network(repeat: int, fold: int, test: list[int], *rounds: tuple[int, ...]) -> NetworkResult:
    removals = tuple(Removal(5, 1.0, gone, (2.0,) * len(gone), 1.0, 0.5, 1) for gone in rounds)
    some = trial_result().networks[0]
    return replace(some, repeat=repeat, fold=fold, test=np.array(test), validation=NOBODY, removals=removals)


def test_each_class_is_counted_over_all_rounds_and_compared_with_what_it_had() -> None:
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    networks = (network(0, 0, [0, 4], (1,), (5, 6)), network(0, 1, [1, 5]), network(1, 0, [0, 4], (1, 2, 5)),
                network(1, 1, [1, 5], (0,)))  # fmt: skip

    found = removals_by_class(replace(trial_result(), networks=networks), y, 2)

    assert found.trained.tolist() == [[[3, 3], [3, 3]], [[3, 3], [3, 3]]]
    assert found.removed.tolist() == [[[1, 2], [0, 0]], [[2, 1], [1, 0]]]
    assert found.count.tolist() == [1.0, 0.75]
    assert found.share.tolist() == pytest.approx([1 / 3, 0.25])
    assert found.overall == pytest.approx(1.75 / 6)
    assert found.spread is not None
    assert found.spread.tolist() == pytest.approx([np.std([1 / 6, 1 / 2], ddof=1), np.std([1 / 3, 1 / 6], ddof=1)])


def test_one_repeat_has_no_spread_and_a_class_without_samples_loses_nothing() -> None:
    found = ClassRemovals(np.array([[[4, 0]]]), np.array([[[1, 0]]]))

    assert found.spread is None
    assert found.share.tolist() == [0.25, 0.0]


def test_what_a_network_trains_on_is_all_that_it_neither_tests_nor_validates_on() -> None:
    found = removals_by_class(trial_result(), samples_for().y, 7)

    assert (found.trained.sum(axis=2) == TRAIN_SIZE).all()
    assert (found.removed <= found.trained).all()
