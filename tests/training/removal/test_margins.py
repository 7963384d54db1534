"""The area under the margin."""

import numpy as np
import torch

from fer_sweep.spec.removal import AumRemoval
from fer_sweep.training.removal import Decision, RemovalState, Seen, check, next_check
from fer_sweep.training.removal.margins import margin

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 5, 20)
RULE = AumRemoval(rule="aum", share=0.25, start=20, interval=8)


def looked_at(epoch: int, logits: np.ndarray, state: RemovalState) -> Decision:
    probabilities = torch.from_numpy(logits).softmax(1).numpy().astype(np.float32)
    return check(RULE, state, Seen(epoch, np.zeros(20), np.ones(20, bool), LABELS, probabilities))


def logit_margin(logits: np.ndarray) -> np.ndarray:
    own = logits[np.arange(20), LABELS]
    others = logits.copy()
    others[np.arange(20), LABELS] = -np.inf
    margins: np.ndarray = own - others.max(axis=1)
    return margins


def test_the_margin_is_that_of_the_logits() -> None:
    logits = RANDOM.normal(size=(20, 5))
    probabilities = torch.from_numpy(logits).softmax(1).numpy().astype(np.float32)

    np.testing.assert_allclose(margin(probabilities, LABELS), logit_margin(logits), atol=1e-5)


def test_a_probability_of_zero_is_a_large_margin_and_no_infinity() -> None:
    found = margin(np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32), np.array([0, 0]))

    assert 80 < found[0] < 90
    assert found[1] == -found[0]


def test_the_lowest_sums_go_at_the_start_epoch() -> None:
    looks, state = [RANDOM.normal(size=(20, 5)) for _ in range(4)], RemovalState()
    epochs: list[int] = []
    epoch = next_check(RULE, state, -1)
    while epoch is not None:
        decision = looked_at(epoch, looks[len(epochs)], state)
        state = decision.state
        epochs.append(epoch)
        epoch = next_check(RULE, state, epoch)

    assert epochs == [0, 8, 16, 20]
    expected = np.argsort(sum(logit_margin(look) for look in looks))[:5]
    assert decision.removed.tolist() == sorted(expected.tolist())
