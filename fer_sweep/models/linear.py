"""Softmax regression: the new last layer of a ResNet whose other layers are frozen (paper section 2.6)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class LinearWeights(NamedTuple):
    """Weights of one layer. output: (C, d), output_bias: (C,)."""

    output: Tensor
    output_bias: Tensor


def initial_linear_weights(*, features: int, classes: int, seed: int) -> LinearWeights:
    """PyTorch's default initialization of a linear layer, U(-1/sqrt(d), 1/sqrt(d)), from one seed."""
    generator = torch.Generator().manual_seed(seed)
    bound = 1.0 / math.sqrt(features)
    return LinearWeights(
        output=torch.rand(classes, features, generator=generator) * (2 * bound) - bound,
        output_bias=torch.rand(classes, generator=generator) * (2 * bound) - bound,
    )
