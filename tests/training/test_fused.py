"""The fused engine against the torch engine, and against itself in other company."""

from collections.abc import Iterable

import numpy as np
import pytest
import torch

from fer_sweep.models.mlp import initial_weights
from fer_sweep.spec.train import TrainConfig
from fer_sweep.training.fused import FusedPopulation
from fer_sweep.training.fused_tiles import TILE
from fer_sweep.training.member import Floats, Member
from fer_sweep.training.population import Population

CPU = torch.device("cpu")
WIDTHS_AND_SIZES = [(10, 60), (1, 33), (21, TILE), (8, TILE + 1), (13, 2 * TILE + 90), (30, 7)]


def member(number: int, hidden: int, n: int, *, d: int = 10, classes: int = 7, **train: object) -> Member:
    random = np.random.default_rng(number)
    y = random.integers(0, classes, n)
    x = (random.normal(size=(n, d)) + 2.0 * random.normal(size=(classes, d))[y]).astype(np.float32)
    return Member(
        weights=initial_weights(features=d, hidden_units=hidden, classes=classes, seed=number),
        train=TrainConfig.model_validate({"learning_rate": 0.003, **train}),
        x=x,
        y=y,
        evaluate=(x[: n // 3], x[:0]),
        shuffle=random,
    )


def members(**rest: int | float | str) -> list[Member]:
    return [member(number, h, n, **rest) for number, (h, n) in enumerate(WIDTHS_AND_SIZES)]  # type: ignore[arg-type]


def without(one: Member, positions: Iterable[int]) -> Floats:
    """Weights of its samples, of which some are not used."""
    weights = np.ones(len(one.y), dtype=np.float32)
    weights[list(positions)] = 0.0
    return weights


def fused(them: list[Member], *, classes: int = 7) -> FusedPopulation:
    return FusedPopulation(them, classes=classes, epochs=100, device=CPU)


@pytest.mark.parametrize(
    "train",
    [
        {},
        {"weight_decay": 0.05},
        {"optimizer": "adamw", "weight_decay": 0.3},
        {"optimizer": "sgd", "learning_rate": 0.05},
        {"optimizer": "sgd", "learning_rate": 0.02, "momentum": 0.9, "weight_decay": 0.05},
        {"d": 3, "classes": 2},
        {"d": 17, "classes": 9},
        {"d": 4, "classes": 4},
    ],
    ids=str,
)
def test_it_agrees_with_the_torch_engine(train: dict[str, int | float | str]) -> None:
    them, classes = members(**train), int(train.get("classes", 7))
    ours = fused(them, classes=classes)
    theirs = Population(them, classes=classes, epochs=100, device=CPU)

    for epochs, network in ((20, 0), (1, 4), (19, 2)):
        ours.advance(epochs)
        theirs.advance(epochs)
        for engine in (ours, theirs):
            engine.weigh(network, without(them[network], range(3, 9)))

    assert ours.epoch == theirs.epoch == 40
    np.testing.assert_allclose(ours.history()[0], theirs.history()[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.history()[1], theirs.history()[1], rtol=1e-3, atol=1e-6)
    for errors, expected in zip(ours.errors(), theirs.errors(), strict=True):
        assert errors.dtype == np.float64
        for p, (_, n) in enumerate(WIDTHS_AND_SIZES):
            np.testing.assert_allclose(errors[p, :n], expected[p, :n], rtol=1e-3, atol=1e-4)
            assert not errors[p, n:].any()
    for engine in (ours, theirs):
        cross_entropy, right = engine.recent()
        np.testing.assert_array_equal(cross_entropy, engine.errors()[0])
        for p, (one, predicted) in enumerate(zip(them, engine.predict(-1), strict=True)):
            np.testing.assert_array_equal(right[p, : len(one.y)], predicted.argmax(1) == one.y)
    for part in (0, 1):
        truth = [np.arange(len(predicted)) % classes for predicted in ours.predict(part)]
        seen, expected_of = ours.judge(part, truth), theirs.judge(part, truth)
        np.testing.assert_allclose(seen.losses(), expected_of.losses(), rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(seen.confusions(classes), expected_of.confusions(classes))
        assert seen.cross_entropy.shape == seen.predicted.shape == (len(them), max(map(len, truth)))
    for part in (0, 1, -1):
        for our, their in zip(ours.predict(part), theirs.predict(part), strict=True):
            assert our.shape == their.shape
            np.testing.assert_allclose(our, their, atol=1e-4)


def test_a_network_is_the_same_to_the_bit_alone_and_in_a_crowd_and_in_pieces() -> None:
    crowd = fused(members())
    crowd.advance(40)

    for number, one in enumerate(members()):
        alone = fused([one])
        for epochs in (1, 12, 27):
            alone.advance(epochs)
        n = len(one.y)
        np.testing.assert_array_equal(alone.history()[:, 0], crowd.history()[:, number])
        np.testing.assert_array_equal(alone.errors()[0][0], crowd.errors()[0][number, :n])
        np.testing.assert_array_equal(alone.predict(0)[0], crowd.predict(0)[number])


def test_those_kept_go_on_as_if_nothing_happened() -> None:
    whole, part = fused(members()), fused(members())
    whole.advance(10)
    part.advance(10)
    part.keep([1, 4])
    assert len(part) == 2
    whole.advance(10)
    part.advance(10)

    assert part.history().shape == (2, 2, 20)
    np.testing.assert_array_equal(part.history(), whole.history()[:, [1, 4]])
    np.testing.assert_array_equal(part.predict(-1)[1], whole.predict(-1)[4])
    assert part.errors()[0].shape == (2, 2 * TILE + 90)


def test_a_sample_taken_away_is_one_that_was_never_there() -> None:
    one = member(5, 20, 50)
    rest = Member(one.weights, one.train, one.x[6:], one.y[6:], one.evaluate, one.shuffle)
    taken, never = fused([one]), fused([rest])
    taken.weigh(0, without(one, [0, 3, 5]))
    taken.weigh(0, without(one, range(6)))
    taken.advance(30)
    never.advance(30)

    np.testing.assert_array_equal(taken.history(), never.history())
    np.testing.assert_array_equal(taken.errors()[0][:, 6:], never.errors()[0])
    assert taken.predict(-1)[0].shape == (50, 7)  # it is still predicted


def test_history_is_that_of_the_errors_before_each_update() -> None:
    population = fused(members())
    assert population.history().shape == (2, len(WIDTHS_AND_SIZES), 0)
    for epoch in range(3):
        cross_entropy, _ = population.errors()
        population.advance(1)
        mean, variance = population.history()[:, :, epoch]
        for p, (_, n) in enumerate(WIDTHS_AND_SIZES):
            assert mean[p] == pytest.approx(cross_entropy[p, :n].mean(), rel=1e-6)
            assert variance[p] == pytest.approx(cross_entropy[p, :n].var(), rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_diverging_network_says_so_and_leaves_the_others_alone(optimizer: str) -> None:
    wild = member(0, 12, 50, optimizer=optimizer, learning_rate=1000.0, weight_decay=1.0)
    if optimizer == "adam":  # its steps are bounded: it takes a broken sample to diverge
        wild.x[7, 3] = np.inf
    tame = member(1, 12, 50, optimizer=optimizer)
    both, alone = fused([wild, tame]), fused([tame])
    both.advance(60)
    alone.advance(60)

    assert not np.isfinite(both.errors()[0][0]).any()
    assert not np.isfinite(both.errors()[1][0]).any()
    assert not np.isfinite(both.history()[:, 0, -1]).any()
    assert not np.isfinite(both.predict(0)[0]).any()
    np.testing.assert_array_equal(both.history()[:, 1], alone.history()[:, 0])


def test_large_logits_lose_neither_loss_nor_sign() -> None:
    one = member(3, 5, 40)
    one.weights.output.mul_(1e5)
    ours = fused([one])
    cross_entropy, half_sse = ours.errors()
    theirs = Population([one], classes=7, epochs=1, device=CPU)

    np.testing.assert_allclose(cross_entropy, theirs.errors()[0], rtol=1e-4, atol=0.1)
    np.testing.assert_allclose(half_sse, theirs.errors()[1], atol=1e-4)
    ours.advance(1)
    assert ours.history()[0, 0, 0] == pytest.approx(cross_entropy.mean(), rel=1e-5)
