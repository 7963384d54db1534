"""The plain loop that a user would write: one network, torch autograd, torch.optim. The engine must agree with it."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional

from fer_sweep.models.mlp import as_module, initial_weights
from fer_sweep.spec.models import MlpModel
from fer_sweep.spec.removal import BdrRemoval
from fer_sweep.spec.trial import TrialConfig
from fer_sweep.training.fold_data import FoldData
from fer_sweep.training.removal import Phase, RemovalState, Seen, check, next_check
from fer_sweep.training.seeds import derive_seed


@dataclass
class ReferenceRun:
    """What the plain loop saw: per-epoch mean loss and variance, removals as (epoch, sample indices), predictions."""

    losses: list[float] = field(default_factory=list)
    variances: list[float] = field(default_factory=list)
    removals: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    epochs: int = 0
    test_probabilities: np.ndarray = field(default_factory=lambda: np.empty(0))


def train_reference(config: TrialConfig, data: FoldData, *, classes: int, seed: int) -> ReferenceRun:
    """Train one network exactly as the paper describes it, sample by sample bookkeeping in plain sight."""
    assert isinstance(config.model, MlpModel)
    weights = initial_weights(
        features=data.train.x.shape[1], hidden_units=config.model.hidden_units, classes=classes, seed=seed
    )
    net = as_module(weights)
    optimizer = _optimizer(config, net)
    x, y = torch.from_numpy(data.train.x), torch.from_numpy(data.train.y.copy())
    active = np.ones(len(y), dtype=bool)
    shuffle = np.random.default_rng(derive_seed(seed, "shuffle"))
    run, state, removal = ReferenceRun(), RemovalState(), config.removal
    next_look = next_check(removal, state, -1) if isinstance(removal, BdrRemoval) else None
    last = config.train.last_epoch
    for epoch in range(last + 1):
        with torch.no_grad():
            errors = functional.cross_entropy(net(x), y, reduction="none").double().numpy()
        if isinstance(removal, BdrRemoval) and epoch == next_look and epoch < last:
            decision = check(removal, state, Seen(epoch, errors, active, data.train.y))
            state = decision.state
            next_look = next_check(removal, state, epoch)
            if len(decision.removed):
                run.removals.append((epoch, tuple(data.train.index[decision.removed].tolist())))
                active[decision.removed] = False
        run.losses.append(float(errors[active].mean()))
        run.variances.append(float(errors[active].var()))
        run.epochs = epoch
        if epoch == last or state.phase is Phase.HALTED:
            break
        for rows in _batches(config, active, shuffle):
            optimizer.zero_grad()
            functional.cross_entropy(net(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    with torch.no_grad():
        run.test_probabilities = net(torch.from_numpy(data.test.x)).softmax(-1).numpy()
    return run


def _batches(config: TrialConfig, active: np.ndarray, shuffle: np.random.Generator) -> list[np.ndarray]:
    if config.train.batch_size == "full":
        return [np.flatnonzero(active)]
    order = np.argsort(shuffle.random(len(active)) + ~active, kind="stable")[: active.sum()]
    return np.split(order, range(config.train.batch_size, len(order), config.train.batch_size))


def _optimizer(config: TrialConfig, net: torch.nn.Module) -> torch.optim.Optimizer:
    train = config.train
    match train.optimizer:
        case "sgd":
            return torch.optim.SGD(
                net.parameters(), lr=train.learning_rate, momentum=train.momentum, weight_decay=train.weight_decay
            )
        case "adam":
            return torch.optim.Adam(net.parameters(), lr=train.learning_rate, weight_decay=train.weight_decay)
        case "adamw":
            return torch.optim.AdamW(net.parameters(), lr=train.learning_rate, weight_decay=train.weight_decay)
