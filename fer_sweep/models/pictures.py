"""Networks that see pictures: which module a configuration means, and how pixels become its input."""

import torch
from torch import Tensor, nn

from fer_sweep.models import cnn, resnet
from fer_sweep.spec.models import CnnModel, ResnetModel


def build_picture_network(config: CnnModel | ResnetModel, *, classes: int, seed: int) -> nn.Module:
    """A module that maps (n, 3, size, size) prepared pictures to (n, C) logits.

    Raises DataError if the weights it starts from cannot be had.
    """
    if isinstance(config, CnnModel):
        return cnn.build_cnn(config, classes=classes, seed=seed)
    network: nn.Module = resnet.build_resnet(config, classes=classes, seed=seed)
    return network


def plain_batch(pixels: Tensor, rows: Tensor) -> Tensor:
    """(B, 3, S, S) float pictures in [0, 1], in channels_last layout. pixels: (N, S, S, 3) uint8, rows: (B,)."""
    return pixels[rows].permute(0, 3, 1, 2).float().div_(255.0)


class Normalization:
    """Pixels in [0, 1] less the mean, by the deviation, per channel: what the networks of a kind were made for."""

    def __init__(self, config: CnnModel | ResnetModel, device: torch.device) -> None:
        source = cnn if isinstance(config, CnnModel) else resnet
        self._mean, self._deviation = (
            torch.tensor(values, device=device)[:, None, None] for values in (source.MEAN, source.DEVIATION)
        )

    def apply(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) in, the same out."""
        return (x - self._mean) / self._deviation

    def prepared(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) of whole pictures (B, S, S, 3) uint8."""
        return self.apply(plain_batch(pixels, torch.arange(len(pixels), device=pixels.device)))
