"""BDR against hand-computed numbers, and its guards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_sweep.spec.removal import BdrRemoval
from fer_sweep.training.removal import Decision, Phase, RemovalState, Seen, next_check
from fer_sweep.training.removal import check as check_rule
from fer_sweep.training.removal.bdr import bdr_outliers

# Fifteen errors with a slow second mode; mean .7593333333, candidates 10..14, their mean 2.02, deviation .741350.
ERRORS = np.array([0.01, 0.02, 0.02, 0.03, 0.03, 0.05, 0.05, 0.08, 0.40, 0.60, 0.90, 1.5, 2.2, 2.5, 3.0])
ALL = np.ones(len(ERRORS), dtype=bool)
ONE_CLASS = np.zeros(len(ERRORS), dtype=np.int64)


def bdr(**settings: object) -> BdrRemoval:
    return BdrRemoval.model_validate(
        {"rule": "bdr", "start": 0, "min_keep_fraction": 0.0, "min_per_class": 0, **settings}
    )


def check(settings: BdrRemoval, state: RemovalState = RemovalState(), **given_: object) -> Decision:  # noqa: B008
    arguments = {"epoch": 0, "errors": ERRORS, "active": ALL, "labels": ONE_CLASS, **given_}
    return check_rule(settings, state, Seen(**arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("alpha", "removed"),
    [(0.0, [12, 13, 14]), (0.25, [13, 14]), (0.5, [13, 14]), (0.75, [14]), (1.0, [14])],
)
def test_bdr_removes_what_a_hand_calculation_says(alpha: float, removed: list[int]) -> None:
    outliers, threshold = bdr_outliers(ERRORS, ALL, alpha=alpha, strict=False)

    assert outliers.tolist() == removed
    assert threshold == pytest.approx(2.02 + alpha * 0.741350, abs=1e-6)


def test_the_threshold_itself_goes_with_greater_or_equal_and_stays_with_greater() -> None:
    errors = np.array([0.0, 0.0, 0.0, 0.0, 2.0, 3.0, 4.0])  # candidates 2, 3, 4: mean 3
    active = np.ones(7, dtype=bool)

    assert bdr_outliers(errors, active, alpha=0.0, strict=False)[0].tolist() == [5, 6]
    assert bdr_outliers(errors, active, alpha=0.0, strict=True)[0].tolist() == [6]


def test_a_single_candidate_is_not_removed() -> None:
    errors = np.array([0.1, 0.1, 0.1, 5.0])

    assert len(bdr_outliers(errors, np.ones(4, dtype=bool), alpha=0.0, strict=False)[0]) == 0


def test_equal_candidates_are_not_removed() -> None:
    errors = np.array([0.0, 0.0, 2.0, 2.0])

    assert len(bdr_outliers(errors, np.ones(4, dtype=bool), alpha=1.0, strict=False)[0]) == 0


def test_samples_already_removed_play_no_part() -> None:
    active = ALL.copy()
    active[14] = False

    outliers, threshold = bdr_outliers(ERRORS, active, alpha=0.0, strict=False)

    assert 14 not in outliers
    assert threshold == pytest.approx(np.mean([0.6, 0.9, 1.5, 2.2, 2.5]))


def test_a_start_epoch_is_waited_for() -> None:
    settings = bdr(start=20, interval=10)

    assert next_check(settings, RemovalState(), -1) == 20
    assert next_check(settings, RemovalState(Phase.ACTIVE), 20) == 30
    assert next_check(settings, RemovalState(Phase.HALTED), 20) is None


def test_past_peak_waits_until_the_variance_has_risen_and_fallen() -> None:
    settings = bdr(start="past_peak", interval=10, peak_ratio=0.7)
    state, phases = RemovalState(), []
    for epoch, scale in enumerate([0.1, 0.5, 1.0, 0.9, 0.8]):  # variance: scale squared
        decision = check(settings, state, epoch=10 * epoch, errors=ERRORS * scale)
        state = decision.state
        phases.append(state.phase)

    assert phases == [Phase.WAITING] * 4 + [Phase.ACTIVE]
    assert state.started == 40


def test_a_variance_that_only_falls_has_no_peak() -> None:
    settings, state = bdr(start="past_peak"), RemovalState()
    for epoch, scale in enumerate([1.0, 0.5, 0.2]):
        state = check(settings, state, epoch=epoch, errors=ERRORS * scale).state

    assert state.phase is Phase.WAITING


def test_halting_is_not_armed_before_something_was_removed() -> None:
    decision = check(bdr(stop_variance=100.0))

    assert not decision.halt
    assert len(decision.removed) == 1


def test_training_halts_when_the_variance_is_below_the_threshold_after_a_removal() -> None:
    decision = check(bdr(stop_variance=0.01), RemovalState(Phase.ACTIVE, rounds=1), errors=ERRORS * 0.01, epoch=50)

    assert decision.halt
    assert len(decision.removed) == 0


def test_without_a_stop_variance_training_never_halts() -> None:
    settings = bdr(stop_variance=None)

    assert not check(settings, RemovalState(Phase.ACTIVE, rounds=3), errors=ERRORS * 0.01, epoch=50).halt


def test_max_rounds_ends_removal_but_not_training() -> None:
    decision = check(bdr(max_rounds=2, stop_variance=None), RemovalState(Phase.ACTIVE, rounds=2), epoch=50)

    assert len(decision.removed) == 0
    assert not decision.halt


def test_the_minimum_kept_fraction_binds_and_the_largest_errors_go_first() -> None:
    decision = check(bdr(alpha=0.0, min_keep_fraction=13 / 15))

    assert decision.removed.tolist() == [13, 14]


def test_a_small_class_is_protected() -> None:
    labels = np.zeros(len(ERRORS), dtype=np.int64)
    labels[[8, 14]] = 1  # two samples of class 1, one of them the largest error

    assert check(bdr(alpha=0.0, min_per_class=2), labels=labels).removed.tolist() == [12, 13]


@given(
    errors=st.lists(st.floats(0.0, 20.0), min_size=3, max_size=60),
    alpha=st.floats(0.0, 1.0),
    keep=st.floats(0.0, 1.0),
    per_class=st.integers(0, 10),
    seed=st.integers(0, 1000),
)
def test_removal_keeps_its_promises_whatever_the_errors(
    errors: list[float], alpha: float, keep: float, per_class: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = np.array(errors)
    active = rng.random(len(values)) < 0.8
    active[0] = True
    labels = rng.integers(0, 3, len(values))
    settings = bdr(alpha=alpha, min_keep_fraction=keep, min_per_class=per_class, stop_variance=None)

    removed = check(settings, errors=values, active=active, labels=labels).removed

    assert active[removed].all()
    assert (values[removed] > values[active].mean()).all()
    if len(removed):
        assert active.sum() - len(removed) >= keep * len(values)
        after = active.copy()
        after[removed] = False
        for label in set(labels[removed].tolist()):
            assert (labels[after] == label).sum() >= per_class
