"""When each rule looks, the oracle, the absolute criterion, and the random control."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from fer_sweep.spec.removal import AbsoluteRemoval, OracleRemoval, RemovalConfig
from fer_sweep.training.removal import RemovalState, Seen, check, imitate, next_check

SETTINGS: TypeAdapter[RemovalConfig] = TypeAdapter(RemovalConfig)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"rule": "none"}, []),
        ({"rule": "oracle", "start": 5}, [5]),
        ({"rule": "bdr", "start": 6, "interval": 10}, [6, 16, 26]),
        ({"rule": "guarded"}, [0, 10, 20, 30]),
        ({"rule": "lts"}, [0, 5, 10, 15, 20, 25, 30]),
        ({"rule": "lms", "start": 27}, [27, 28, 29, 30]),
        ({"rule": "absolute", "start": 3, "interval": 9}, [3, 12, 21, 30]),
        ({"rule": "small_loss", "interval": 15}, [0, 15, 30]),
        ({"rule": "mixture"}, [10, 20, 30]),
        ({"rule": "aum", "start": 12, "interval": 5}, [0, 5, 10, 12]),
    ],
    ids=lambda value: value["rule"] if isinstance(value, dict) else "",
)
def test_a_rule_looks_when_it_says(settings: dict[str, object], expected: list[int]) -> None:
    rule, epochs = SETTINGS.validate_python(settings), []
    epoch = next_check(rule, RemovalState(), -1)
    while epoch is not None and epoch <= 30:
        epochs.append(epoch)
        epoch = next_check(rule, RemovalState(), epoch)

    assert epochs == expected


def test_the_oracle_removes_the_planted_labels() -> None:
    planted = np.zeros(15, dtype=bool)
    planted[[3, 7]] = True
    seen = Seen(5, np.zeros(15), np.ones(15, bool), np.zeros(15, np.int64), planted=planted)

    assert check(OracleRemoval(rule="oracle", start=5), RemovalState(), seen).removed.tolist() == [3, 7]


def test_the_absolute_criterion_weighs_by_the_probability_of_the_class() -> None:
    errors = np.array([0.0, -np.log(0.25), 1000.0])
    seen = Seen(0, errors, np.ones(3, bool), np.zeros(3, np.int64))

    decision = check(AbsoluteRemoval(rule="absolute"), RemovalState(), seen)

    assert decision.weights == pytest.approx([1.0, 0.25, 1e-6])
    assert len(decision.removed) == 0


@given(active=st.lists(st.booleans(), min_size=1, max_size=40), share=st.floats(0.0, 1.0), seed=st.integers(0, 99))
def test_a_random_control_is_left_with_as_many(active: list[bool], share: float, seed: int) -> None:
    mask, count = np.array(active), round(share * len(active))

    decision = imitate(count, mask, rng=np.random.default_rng(seed))

    assert mask[decision.removed].all()
    assert not mask[decision.readmitted].any()
    assert not (len(decision.removed) and len(decision.readmitted))
    mask[decision.removed], mask[decision.readmitted] = False, True
    assert mask.sum() == count
