"""SGD, Adam and AdamW on the flat weights of P networks, each with its own settings and number of updates."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from fer_sweep.spec.train import TrainConfig

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's defaults (Kingma & Ba 2014), as in torch.optim


class FlatOptimizer:
    """Takes the steps of torch.optim's optimizer of the same name. weights: (P, W), changed in place; `gradient` is
    filled by whoever asks for a step; constant: (W,) bool, what weight decay must leave alone."""

    def __init__(
        self,
        optimizer: Literal["sgd", "adam", "adamw"],
        weights: Tensor,
        trains: Sequence[TrainConfig],
        constant: Tensor,
    ) -> None:
        device = weights.device
        self._optimizer = optimizer
        self.weights = weights
        self.gradient = torch.zeros_like(weights)
        self._moment = torch.zeros_like(weights)
        self._square = torch.zeros_like(weights)
        self._momenta = torch.tensor([[t.momentum] for t in trains], device=device)
        decays = torch.tensor([[t.weight_decay] for t in trains], device=device)
        self._decays = decays * ~constant.to(device) if bool((decays > 0).any()) else None
        # in float32, 1 - 0.999**1 is off by 5e-5, which would soon show in the losses
        self._updates = torch.zeros(len(trains), 1, dtype=torch.float64, device=device)

    @property
    def state(self) -> tuple[Tensor, ...]:
        """Every tensor that a step changes."""
        return self.weights, self._moment, self._square, self._updates

    def keep(self, index: Tensor) -> None:
        """Go on with these networks only."""
        for name in ("weights", "_moment", "_square", "_momenta", "_updates"):
            setattr(self, name, getattr(self, name).index_select(0, index))
        self.gradient = torch.zeros_like(self.weights)
        if self._decays is not None:
            self._decays = self._decays.index_select(0, index)

    def step(self, rates: Tensor, moving: Tensor | None = None) -> None:
        """One step at (P, 1) learning rates. moving: (P, 1) bool, networks that take it; None: all do."""
        before = None if moving is None else tuple(tensor.clone() for tensor in self.state[:3])
        self._updates += 1 if moving is None else moving
        if self._decays is not None:
            if self._optimizer == "adamw":
                self.weights.mul_(1.0 - rates * self._decays)
            else:
                self.gradient.addcmul_(self._decays, self.weights)
        if self._optimizer == "sgd":
            self._moment.mul_(self._momenta).add_(self.gradient)
            self.weights.addcmul_(self._moment, rates, value=-1.0)
        else:
            self._moment.lerp_(self.gradient, 1.0 - BETA_1)
            self._square.mul_(BETA_2).addcmul_(self.gradient, self.gradient, value=1.0 - BETA_2)
            size = (rates / (1.0 - BETA_1**self._updates)).float()
            scale = (1.0 - BETA_2**self._updates).sqrt_().float()
            self.weights.sub_((self._moment * size).div_(self._square.sqrt().div_(scale).add_(EPSILON)))
        if before is not None and moving is not None:
            for now, then in zip(self.state[:3], before, strict=True):
                torch.where(moving, now, then, out=now)
