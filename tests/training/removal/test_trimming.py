"""Rules that choose anew from all samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_sweep.spec.removal import LmsRemoval, LtsRemoval, SmallLossRemoval
from fer_sweep.training.removal import RemovalState, Seen, check

ERRORS = np.array([0.5, 3.0, 0.1, 2.0, 0.2, 1.0, 0.3, 0.4, 5.0, 4.0])
LABELS = np.zeros(10, dtype=np.int64)
STATE = RemovalState()


def seen(active: list[int] | None = None, *, epoch: int = 0) -> Seen:
    mask = np.ones(10, dtype=bool) if active is None else np.isin(np.arange(10), active)
    return Seen(epoch, ERRORS, mask, LABELS)


def test_lts_leaves_out_the_largest_errors() -> None:
    decision = check(LtsRemoval(rule="lts", share=0.3), STATE, seen())

    assert decision.removed.tolist() == [1, 8, 9]
    assert decision.threshold == 3.0
    assert len(decision.readmitted) == 0


def test_lts_takes_back_what_has_become_small() -> None:
    decision = check(LtsRemoval(rule="lts", share=0.3), STATE, seen([1, 2, 3, 4, 5, 6, 7]))

    assert decision.removed.tolist() == [1]
    assert decision.readmitted.tolist() == [0]


def test_lms_keeps_the_two_in_the_middle() -> None:
    decision = check(LmsRemoval(rule="lms"), STATE, seen())

    assert sorted(set(range(10)) - set(decision.removed.tolist())) == [0, 5]


@pytest.mark.parametrize(("epoch", "left_out"), [(0, 0), (5, 2), (10, 4), (1000, 4)])
def test_small_loss_leaves_out_more_and_more_up_to_the_noise_rate(epoch: int, left_out: int) -> None:
    rule = SmallLossRemoval(rule="small_loss", noise_rate=0.4, ramp=10)

    assert len(check(rule, STATE, seen(epoch=epoch)).removed) == left_out


@given(
    errors=st.lists(st.floats(0.0, 20.0), min_size=2, max_size=50),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 1000),
)
def test_lts_keeps_h_samples_and_none_larger_than_one_left_out(errors: list[float], share: float, seed: int) -> None:
    values = np.array(errors)
    active = np.random.default_rng(seed).random(len(values)) < 0.5
    labels = np.zeros(len(values), dtype=np.int64)

    decision = check(LtsRemoval(rule="lts", share=share), STATE, Seen(0, values, active, labels))

    assert active[decision.removed].all()
    assert not active[decision.readmitted].any()
    active[decision.removed], active[decision.readmitted] = False, True
    kept = round((1.0 - share) * len(values), 9)  # (1 - 1/3) 9 is 6, not 6.000000000000001
    assert active.sum() == np.ceil(kept) >= 1
    if not active.all():
        assert values[active].max() <= values[~active].min()


def test_a_share_is_not_rounded_up_for_what_floating_point_adds() -> None:
    for n in range(10, 400, 10):
        every = Seen(0, np.arange(float(n)), np.ones(n, dtype=np.bool_), np.zeros(n, dtype=np.int64))
        decision = check(LtsRemoval(rule="lts", share=0.7), STATE, every)
        assert len(decision.removed) == 7 * n // 10
