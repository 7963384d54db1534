"""Batches of pictures out of a data set that lies on the device as uint8, changed at random on the way.

All random numbers come from a generator of the device, which the caller seeds. B pictures of side S.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from fer_sweep.models.pictures import plain_batch
from fer_sweep.spec.train import AugmentConfig

ERASED_AREA = (0.02, 0.33)
ERASED_ASPECT = (0.3, 3.3)
"""Ranges of area share and aspect ratio of erased rectangles (Zhong et al. 2020)."""
_GREY = (0.299, 0.587, 0.114)  # ITU-R 601


def changed_batch(pixels: Tensor, rows: Tensor, augment: AugmentConfig, draw: torch.Generator) -> Tensor:
    """As `plain_batch`, shifted, mirrored, turned and coloured as `augment` says; erasing comes after normalization."""
    if not (augment.flip or augment.crop):
        x = plain_batch(pixels, rows)
    else:
        size = pixels.shape[1]
        down, along = (_shifted(len(rows), size, augment.crop, draw) for _ in range(2))
        if augment.flip:
            mirrored = _uniform(draw, len(rows), 1) < 0.5
            along = torch.where(mirrored, size - 1 - along, along)
        x = pixels[rows[:, None, None], down[:, :, None], along[:, None, :]].permute(0, 3, 1, 2).float().div_(255.0)
    if augment.rotation:
        x = _turned(x, augment.rotation, draw)
    return _coloured(x, augment.colour, draw) if augment.colour else x


def _uniform(draw: torch.Generator, *shape: int) -> Tensor:
    """Numbers from [0, 1) in that shape, on the generator's device."""
    return torch.rand(shape, generator=draw, device=draw.device)


def _shifted(count: int, size: int, share: float, draw: torch.Generator) -> Tensor:
    """(B, S) pixel positions after a shift by up to `share` of the side, mirrored at the border."""
    most = round(share * size)
    shift = torch.randint(-most, most + 1, (count, 1), generator=draw, device=draw.device)
    positions = (torch.arange(size, device=draw.device) + shift).abs()
    return torch.where(positions < size, positions, 2 * size - 2 - positions)


def _turned(x: Tensor, most: float, draw: torch.Generator) -> Tensor:
    """x (B, 3, S, S) turned about the centre by up to `most` degrees, bilinear, mirrored at the border."""
    angle = math.radians(most) * (2.0 * _uniform(draw, len(x)) - 1.0)
    cosine, sine, nothing = angle.cos(), angle.sin(), torch.zeros_like(angle)
    turns = torch.stack([cosine, -sine, nothing, sine, cosine, nothing], dim=1).reshape(-1, 2, 3)
    grid = functional.affine_grid(turns, list(x.shape), align_corners=False)
    turned = functional.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return turned.contiguous(memory_format=torch.channels_last)


def _coloured(x: Tensor, strength: float, draw: torch.Generator) -> Tensor:
    """Brightness, contrast and saturation times factors from [1 - strength, 1 + strength]."""
    brightness, contrast, saturation = (
        1.0 + strength * (2.0 * _uniform(draw, len(x), 1, 1, 1) - 1.0) for _ in range(3)
    )
    x = x * brightness
    grey = (x * torch.tensor(_GREY, device=x.device)[:, None, None]).sum(1, keepdim=True)
    x = grey.mean((2, 3), keepdim=True).lerp(x, contrast)
    return grey.lerp(x, saturation).clamp_(0.0, 1.0)


def erased(x: Tensor, probability: float, draw: torch.Generator) -> Tensor:
    """x (B, 3, S, S) with a random rectangle set to zero in about `probability` of the pictures."""
    size = x.shape[-1]

    def drawn(low: float, high: float) -> Tensor:
        return low + (high - low) * _uniform(draw, len(x), 1, 1)

    area = drawn(*ERASED_AREA) * size * size
    aspect = torch.exp(drawn(*(float(torch.tensor(bound).log()) for bound in ERASED_ASPECT)))
    height, width = (area * aspect).sqrt().clamp(max=size), (area / aspect).sqrt().clamp(max=size)
    top, left = drawn(0.0, 1.0) * (size - height), drawn(0.0, 1.0) * (size - width)
    line = torch.arange(size, device=x.device)
    rows, columns = line[None, :, None], line[None, None, :]
    inside = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    chosen = _uniform(draw, len(x), 1, 1) < probability
    return x.masked_fill((inside & chosen).unsqueeze(1), 0.0)


def mixed(x: Tensor, goals: Tensor, share: float, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """`share` of pictures and goals (B, C) blended with the rest of another of the batch (mixup, Zhang et al. 2018)."""
    other = torch.randperm(len(x), generator=draw, device=draw.device)
    return x[other].lerp(x, share), goals[other].lerp(goals, share)
