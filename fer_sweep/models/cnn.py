"""The self-designed CNN of the paper (section 2.5, figure 3)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from fer_sweep.models.dropout import SeededDropout
from fer_sweep.spec.models import CnnModel

MEAN, DEVIATION = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
"""Pixels in [0, 1] are normalized with these (paper section 2.5)."""


class Cnn(nn.Module):
    """Three blocks of (3 x 3 convolution, batch normalization, ReLU) x 2, 2 x 2 max-pooling and dropout, then two fully
    connected layers with dropout between. Maps (n, 3, size, size) to (n, C) logits."""

    def __init__(self, config: CnnModel, classes: int) -> None:
        super().__init__()
        channels = [3, config.width, 2 * config.width, 4 * config.width]
        self.blocks = nn.ModuleList(_block(before, after, config.dropout) for before, after in pairwise(channels))
        side = config.input_size // 8
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels[-1] * side * side, config.hidden_units),
            nn.ReLU(),
            SeededDropout(config.head_dropout),
            nn.Linear(config.hidden_units, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(x)
        return logits


def _block(before: int, after: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2), SeededDropout(dropout))


def build_cnn(config: CnnModel, *, classes: int, seed: int) -> Cnn:
    """A CNN with PyTorch's default initialization from one seed; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Cnn(config, classes)
