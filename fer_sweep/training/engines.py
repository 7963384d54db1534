"""Which engine trains a network: the fused one, the batched one, or the one for pictures."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from fer_sweep.models.linear import LinearWeights, initial_linear_weights
from fer_sweep.models.mlp import MlpWeights, initial_weights
from fer_sweep.spec.models import CnnModel, MlpModel, ResnetModel
from fer_sweep.spec.removal import AbsoluteRemoval
from fer_sweep.training.fused import FusedPopulation, is_fusible
from fer_sweep.training.member import Floats, Member, Weights
from fer_sweep.training.network_run import Network
from fer_sweep.training.observation import Judged
from fer_sweep.training.picture_network import PictureMember
from fer_sweep.training.picture_population import PicturePopulation
from fer_sweep.training.population import Population
from fer_sweep.training.seeds import derive_seed


class Engine(Protocol):
    """P networks that advance through the epochs together; see Population for what each member means."""

    epoch: int

    def advance(self, epochs: int) -> None: ...
    def errors(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]: ...
    def recent(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]: ...
    def predict(self, part: int) -> list[Floats]: ...
    def judge(self, part: int, truth: Sequence[npt.NDArray[np.int64]]) -> Judged: ...
    def weigh(self, network: int, weights: Floats) -> None: ...
    def history(self) -> Floats: ...
    def keep(self, networks: Sequence[int]) -> None: ...
    def weights(self, network: int) -> Weights: ...


def build_engine(networks: Sequence[Network], *, classes: int, epochs: int, device: torch.device) -> Engine:
    """An engine of networks that are of one kind, as `kind_of` says."""
    pixels = networks[0].data.pixels
    if pixels is not None:
        pictured = [_picture_member(network) for network in networks]
        return PicturePopulation(pictured, pixels, classes=classes, epochs=epochs, device=device)
    members = [_member(network, classes) for network in networks]
    engine = FusedPopulation if is_fused(networks[0], device) else Population
    return engine(members, classes=classes, epochs=epochs, device=device)


def kind_of(network: Network, device: torch.device) -> tuple[str, ...]:
    """Networks of equal kind can share an engine: same layers, features, optimizer and batch size; those that see
    pictures only with the rest of their trial."""
    config, data = network.config, network.data
    if data.pixels is not None:
        return ("pictures", f"{network.trial:09d}")
    layers = "mlp" if isinstance(config.model, MlpModel) else "linear"
    fused = "fused" if is_fused(network, device) else "batched"
    shape = f"{data.train.x.shape[1]:09d} {data.mirrored is not None}"
    return layers, fused, shape, config.train.optimizer, str(config.train.batch_size)


def is_fused(network: Network, device: torch.device) -> bool:
    """Whether the compiled engine trains it."""
    config = network.config
    alike = is_fusible(config.train) and not isinstance(config.removal, AbsoluteRemoval)
    return device.type == "cpu" and isinstance(config.model, MlpModel) and alike


def width_of(network: Network) -> int:
    """Numbers per sample in the network's widest layer."""
    model = network.config.model
    return model.hidden_units if isinstance(model, MlpModel) else network.data.train.x.shape[1]


def _member(network: Network, classes: int) -> Member:
    data, model = network.data, network.config.model
    features = data.train.x.shape[1]
    weights: MlpWeights | LinearWeights
    if isinstance(model, MlpModel):
        weights = initial_weights(
            features=features, hidden_units=model.hidden_units, classes=classes, seed=network.seed
        )
    else:
        weights = initial_linear_weights(features=features, classes=classes, seed=network.seed)
    return Member(
        weights=weights,
        train=network.config.train,
        x=data.train.x,
        y=data.train.y,
        evaluate=(data.validation.x, data.test.x),
        shuffle=np.random.default_rng(derive_seed(network.seed, "shuffle")),
        schedule=network.config.schedule,
        mirrored=data.mirrored,
    )


def _picture_member(network: Network) -> PictureMember:
    data, config = network.data, network.config
    assert isinstance(config.model, CnnModel | ResnetModel)
    return PictureMember(
        model=config.model,
        train=config.train,
        schedule=config.schedule,
        augment=config.augment,
        seed=network.seed,
        parts=(data.validation.index, data.test.index, data.train.index),
        y=data.train.y,
    )
