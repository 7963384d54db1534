"""Learning rates over the epochs, exactly as the settings say, in every engine."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from fer_sweep.spec.train import ScheduleConfig, TrainConfig
from fer_sweep.training.schedules import learning_rates, rates_until

ADAPTER: TypeAdapter[ScheduleConfig] = TypeAdapter(ScheduleConfig)


def rates(epochs: int, rate: float = 1.0, **schedule: object) -> list[float]:
    train = TrainConfig(learning_rate=rate, epochs=epochs)
    found: list[float] = learning_rates(train, ADAPTER.validate_python(schedule)).tolist()
    return found


def test_constant_is_constant() -> None:
    assert rates(3, 0.5, kind="constant") == [0.5, 0.5, 0.5]


def test_the_papers_steps_are_at_epochs_100_and_120() -> None:
    found = rates(150, 1e-3, kind="step", at=(100, 120), factor=0.1)

    assert found[:100] == [1e-3] * 100
    assert found[100:120] == pytest.approx([1e-4] * 20)
    assert found[120:] == pytest.approx([1e-5] * 30)


def test_exponential_falls_by_a_factor_every_epoch() -> None:
    assert rates(4, kind="exponential", factor=0.5) == [1.0, 0.5, 0.25, 0.125]


def test_cosine_falls_from_all_to_the_final_share() -> None:
    assert rates(3, kind="cosine", final=0.1) == pytest.approx([1.0, 0.55, 0.1])


def test_warm_up_rises_linearly_and_the_schedule_begins_after_it() -> None:
    assert rates(6, kind="constant", warm_up=4) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert rates(5, kind="exponential", factor=0.5, warm_up=2) == [0.5, 1.0, 1.0, 0.5, 0.25]
    assert rates(4, kind="step", at=(2,), factor=0.1, warm_up=1) == pytest.approx([1.0, 1.0, 0.1, 0.1])


def test_stopping_early_cuts_a_schedule_and_does_not_squeeze_it() -> None:
    whole, cut = TrainConfig(epochs=100), TrainConfig(epochs=100, stop_at=10)
    cosine = ADAPTER.validate_python({"kind": "cosine"})

    np.testing.assert_array_equal(learning_rates(whole, cosine), learning_rates(cut, cosine))


def test_a_network_that_idles_keeps_its_last_rate() -> None:
    cosine = ADAPTER.validate_python({"kind": "cosine", "final": 0.5})

    assert rates_until(4, TrainConfig(epochs=2, learning_rate=1.0), cosine).tolist() == [1.0, 0.5, 0.5, 0.5]
    assert rates_until(1, TrainConfig(epochs=2, learning_rate=1.0), cosine).tolist() == [1.0]


@given(
    st.integers(1, 300),
    st.integers(0, 20),
    st.sampled_from(
        [{"kind": "constant"}, {"kind": "step", "at": (3, 9)}, {"kind": "exponential"}, {"kind": "cosine"}]
    ),
)
def test_no_rate_is_negative_or_above_the_full_rate(epochs: int, warm_up: int, schedule: dict[str, object]) -> None:
    found = np.array(rates(epochs, 0.3, **schedule, warm_up=warm_up))

    assert len(found) == epochs
    assert found.min() >= 0.0
    assert found.max() <= 0.3 + 1e-12
