"""The MLP of the paper (section 2.3): d inputs, h ReLU units, C outputs with softmax."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn


class MlpWeights(NamedTuple):
    """Weights of one network. hidden: (h, d), hidden_bias: (h,), output: (C, h), output_bias: (C,)."""

    hidden: Tensor
    hidden_bias: Tensor
    output: Tensor
    output_bias: Tensor


def initial_weights(*, features: int, hidden_units: int, classes: int, seed: int) -> MlpWeights:
    """PyTorch's default initialization of two linear layers, U(-1/sqrt(fan_in), 1/sqrt(fan_in)), from one seed."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int, fan_in: int) -> Tensor:
        bound = 1.0 / math.sqrt(fan_in)
        return torch.rand(shape, generator=generator) * (2 * bound) - bound

    return MlpWeights(
        hidden=uniform(hidden_units, features, fan_in=features),
        hidden_bias=uniform(hidden_units, fan_in=features),
        output=uniform(classes, hidden_units, fan_in=hidden_units),
        output_bias=uniform(classes, fan_in=hidden_units),
    )


def as_module(weights: MlpWeights) -> nn.Sequential:
    """The network as an ordinary module that maps (n, d) features to (n, C) logits."""
    hidden_units, features = weights.hidden.shape
    module = nn.Sequential(
        nn.Linear(features, hidden_units), nn.ReLU(), nn.Linear(hidden_units, weights.output.shape[0])
    )
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), weights, strict=True):
            parameter.copy_(value)
    return module
