"""Dropout whose random numbers come from a generator of its own."""

import torch
from torch import Tensor, nn


class SeededDropout(nn.Module):
    """As nn.Dropout (Hinton et al. 2012: inverted, so that evaluation changes nothing), which knows but torch's one
    generator of the whole process: networks that train side by side would disturb each other's numbers.

    Set `generator` before training.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        kept = 1.0 - self.rate
        return x * torch.empty_like(x).bernoulli_(kept, generator=self.generator).div_(kept)

    def extra_repr(self) -> str:
        return f"rate={self.rate:g}"


def draw_from(module: nn.Module, generator: torch.Generator) -> None:
    """Let every dropout in a module draw from this generator."""
    for part in module.modules():
        if isinstance(part, SeededDropout):
            part.generator = generator
