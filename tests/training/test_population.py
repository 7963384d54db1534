"""The batched engine with schedules, class weights, label smoothing, a linear layer and mirrored pictures, against
plain loops of torch.nn and torch.optim."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.nn import functional

from fer_sweep.models.linear import LinearWeights, initial_linear_weights
from fer_sweep.models.mlp import MlpWeights, as_module, initial_weights
from fer_sweep.spec.train import ScheduleConfig, TrainConfig
from fer_sweep.training.fused import FusedPopulation
from fer_sweep.training.member import Member
from fer_sweep.training.population import Population
from fer_sweep.training.schedules import learning_rates

CPU = torch.device("cpu")
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
DEVICES = [CPU, pytest.param(torch.device("cuda"), marks=NO_GPU)]
N, D, C, EPOCHS = 60, 6, 3, 20
RNG = np.random.default_rng(0)
Y = np.repeat(np.arange(C), (30, 20, 10))
X = (RNG.normal(size=(N, D)) + np.eye(C, D)[Y] * 2).astype(np.float32)
CONSTANT: ScheduleConfig = TypeAdapter(ScheduleConfig).validate_python({"kind": "constant"})
COSINE: ScheduleConfig = TypeAdapter(ScheduleConfig).validate_python({"kind": "cosine", "warm_up": 3})


def member(
    train: TrainConfig,
    *,
    linear: bool = False,
    schedule: ScheduleConfig = CONSTANT,
    mirrored: npt.NDArray[np.float32] | None = None,
) -> Member:
    weights: MlpWeights | LinearWeights = initial_weights(features=D, hidden_units=9, classes=C, seed=1)
    if linear:
        weights = initial_linear_weights(features=D, classes=C, seed=1)
    return Member(weights, train, X, Y, (X[:7],), np.random.default_rng(5), schedule, mirrored)


def module_of(weights: MlpWeights | LinearWeights) -> nn.Module:
    if isinstance(weights, MlpWeights):
        return as_module(weights)
    layer = nn.Linear(D, C)
    layer.load_state_dict({"weight": weights.output.clone(), "bias": weights.output_bias.clone()})
    return layer


def plain_losses(one: Member) -> list[float]:
    """The mean cross-entropy before every epoch, full batches, by autograd and torch.optim."""
    net = module_of(one.weights)
    optimizer = torch.optim.Adam(net.parameters())
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    weight = torch.ones(C)
    if one.train.class_weights == "balanced":
        weight = N / (C * torch.bincount(y))
    losses = []
    for rate in learning_rates(one.train, one.schedule):
        optimizer.param_groups[0]["lr"] = rate
        logits = net(x)
        losses.append(functional.cross_entropy(logits, y).item())
        # the weighted mean of the samples' smoothed losses; torch's own smoothing spreads class weights differently
        each = functional.cross_entropy(logits, y, reduction="none", label_smoothing=one.train.label_smoothing)
        loss = (each * weight[y]).sum() / weight[y].sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return losses


def train(
    engine: type[Population] | type[FusedPopulation], one: Member, device: torch.device = CPU
) -> npt.NDArray[np.float32]:
    population = engine([one], classes=C, epochs=EPOCHS, device=device)
    population.advance(EPOCHS)
    losses: npt.NDArray[np.float32] = population.history()[0, 0]
    return losses


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("schedule", [CONSTANT, COSINE])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.2}, {"class_weights": "balanced"}])
@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_the_batched_engine_is_the_plain_loop(
    linear: bool, schedule: ScheduleConfig, options: dict[str, object], device: torch.device
) -> None:
    settings = TrainConfig.model_validate({"learning_rate": 0.02, "epochs": EPOCHS, **options})
    one = member(settings, linear=linear, schedule=schedule)

    np.testing.assert_allclose(train(Population, one, device), plain_losses(one), rtol=1e-4)


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("schedule", [CONSTANT, COSINE])
@pytest.mark.parametrize("batch_size", ["full", 16])
def test_networks_that_weigh_samples_anew_and_lose_others_go_on_as_if_alone(
    batch_size: object, schedule: ScheduleConfig, device: torch.device
) -> None:
    rates = (0.02, 0.05, 0.03)
    settings = [
        TrainConfig.model_validate({"learning_rate": rate, "epochs": EPOCHS, "batch_size": batch_size})
        for rate in rates
    ]
    fewer = np.ones(N, dtype=np.float32)
    fewer[::4], fewer[1::4] = 0.0, 0.5
    together = Population([member(one, schedule=schedule) for one in settings], classes=C, epochs=EPOCHS, device=device)
    together.advance(5)
    together.weigh(1, fewer)
    together.advance(5)
    together.keep([1, 2])
    together.advance(EPOCHS - 10)

    for p, train_config in enumerate(settings[1:]):
        alone = Population([member(train_config, schedule=schedule)], classes=C, epochs=EPOCHS, device=CPU)
        alone.advance(5)
        if p == 0:
            alone.weigh(0, fewer)
        alone.advance(EPOCHS - 5)
        np.testing.assert_allclose(together.history()[:, p], alone.history()[:, 0], rtol=1e-3)
        np.testing.assert_allclose(together.predict(0)[p], alone.predict(0)[0], atol=1e-3)


def test_class_weights_are_those_of_torchs_weighted_loss() -> None:
    one = member(TrainConfig(class_weights="balanced", epochs=2, learning_rate=0.02))
    weight = N / (C * torch.bincount(torch.from_numpy(Y)))
    net = module_of(one.weights)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    loss = functional.cross_entropy(net(torch.from_numpy(X)), torch.from_numpy(Y), weight=weight)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()

    population = Population([one], classes=C, epochs=2, device=CPU)
    population.advance(1)

    expected = net(torch.from_numpy(X)).softmax(-1).detach().numpy()
    np.testing.assert_allclose(population.predict(-1)[0], expected, atol=1e-5)


def test_the_fused_engine_follows_a_schedule() -> None:
    one = member(TrainConfig(learning_rate=0.02, epochs=EPOCHS), schedule=COSINE)

    np.testing.assert_allclose(train(FusedPopulation, one), plain_losses(one), rtol=1e-4)


def test_mirrored_features_take_the_place_of_half_of_the_others() -> None:
    """With mirror images equal to the pictures nothing changes; with others something does; predictions use none."""
    settings = TrainConfig(learning_rate=0.02, epochs=EPOCHS, batch_size=8)
    same = train(Population, member(settings, linear=True, mirrored=X))
    other = train(Population, member(settings, linear=True, mirrored=-X))

    assert same[-1] < same[0]
    assert other[-1] > same[-1] + 0.1


def test_full_batches_may_be_mirrored_too() -> None:
    settings = TrainConfig(learning_rate=0.02, epochs=EPOCHS)

    np.testing.assert_allclose(
        train(Population, member(settings, linear=True, mirrored=X)),
        train(Population, member(settings, linear=True)),
        rtol=1e-4,
    )
