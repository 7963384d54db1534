"""Guarded BDR: what counts as bimodal, and what it spares."""

import numpy as np
import pytest
from scipy.stats import kurtosis, skew

from fer_sweep.spec.removal import GuardedRemoval
from fer_sweep.training.removal import Decision, Phase, RemovalState, Seen, check
from fer_sweep.training.removal.guarded import bimodality_coefficient, critical_coefficient

TWO_MODES = np.concatenate([np.linspace(0.0, 0.4, 80), np.linspace(3.6, 4.4, 20)])
ONE_MODE = np.random.default_rng(0).exponential(0.5, 100)
SEEN_BEFORE = RemovalState(Phase.ACTIVE, memory=tuple(TWO_MODES.tolist()))


def guarded(**settings: object) -> GuardedRemoval:
    return GuardedRemoval.model_validate(
        {"rule": "guarded", "start": 0, "alpha": 0.0, "min_keep_fraction": 0.0, "min_per_class": 0, **settings}
    )


def check_hundred(settings: GuardedRemoval, state: RemovalState = SEEN_BEFORE, **given_: object) -> Decision:
    arguments = {
        "epoch": 0,
        "errors": TWO_MODES,
        "active": np.ones(100, dtype=bool),
        "labels": np.zeros(100, dtype=np.int64),
        **given_,
    }
    return check(settings, state, Seen(**arguments))  # type: ignore[arg-type]


def test_the_coefficient_is_that_of_the_moments() -> None:
    errors = np.random.default_rng(1).gamma(0.7, size=50)

    expected = (skew(errors) ** 2 + 1) / kurtosis(errors, fisher=False)

    assert bimodality_coefficient(errors) == pytest.approx(expected)


@pytest.mark.parametrize("errors", [[], [1.0], [2.0] * 9], ids=str)
def test_errors_without_a_distribution_are_not_bimodal(errors: list[float]) -> None:
    assert bimodality_coefficient(np.array(errors)) == 0.0 < critical_coefficient(len(errors))


@pytest.mark.parametrize("n", [50, 300, 1000])
def test_a_tail_passes_for_a_second_mode_in_five_of_a_hundred_cases(n: int) -> None:
    random = np.random.default_rng(0)

    passed = [bimodality_coefficient(random.exponential(size=n)) > critical_coefficient(n) for _ in range(2000)]

    assert 0.03 < np.mean(passed) < 0.07
    assert bimodality_coefficient(TWO_MODES) > critical_coefficient(100)


def test_guarded_bdr_acts_on_two_modes_only() -> None:
    assert (check_hundred(guarded()).removed >= 90).all()
    assert len(check_hundred(guarded()).removed) == 10
    one = RemovalState(Phase.ACTIVE, memory=tuple(ONE_MODE.tolist()))
    assert len(check_hundred(guarded(), one, errors=ONE_MODE).removed) == 0


def test_guarded_bdr_waits_for_a_second_look_and_remembers_the_first() -> None:
    decision = check_hundred(guarded(), RemovalState())

    assert len(decision.removed) == 0
    assert decision.state.memory == tuple(TWO_MODES.tolist())


def test_samples_that_still_learn_are_spared() -> None:
    earlier = TWO_MODES.copy()
    earlier[95:] *= 1.2  # these have come down since
    state = RemovalState(Phase.ACTIVE, memory=tuple(earlier.tolist()))

    assert check_hundred(guarded(trend=0.05), state).removed.tolist() == list(range(90, 95))
    assert check_hundred(guarded(), state).removed.tolist() == list(range(90, 100))


def test_no_class_loses_more_than_its_share() -> None:
    labels = np.zeros(100, dtype=np.int64)
    labels[90:] = labels[:10] = 1  # half of class 1 is beyond the threshold

    removed = check_hundred(guarded(max_class_share=0.2), labels=labels).removed

    assert removed.tolist() == [96, 97, 98, 99]
