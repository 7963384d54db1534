"""What a trained network looks at: Grad-CAM on one test picture per class, and the maps that its blocks make of one."""

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from fer_sweep.models.grad_cam import block_maps, grad_cam, head_of
from fer_sweep.training.member import Floats
from fer_sweep.training.records import Explanation

MOST_CHANNELS = 16

Integers = npt.NDArray[np.int64]


def typical(y: Integers, probabilities: Floats) -> Integers:
    """(k,) per class, the position of the picture whose true class is most probable. y: (n,), probabilities: (n, C)."""
    return np.array(
        [
            positions[probabilities[positions, c].argmax()]
            for c in range(probabilities.shape[1])
            if len(positions := np.flatnonzero(y == c))
        ]
    )


def explain(module: nn.Module, prepared: Tensor, rows: Integers, pictures: npt.NDArray[np.uint8]) -> Explanation:
    """What a network in evaluation mode sees in pictures (k, S, S, 3), which are these rows of Samples; prepared: the
    same for the network, (k, 3, S, S)."""
    maps = block_maps(module, prepared)
    predicted, heat = grad_cam(head_of(module), maps[-1], prepared.shape[-1])
    return Explanation(
        samples=rows,
        predicted=predicted.cpu().numpy(),
        pictures=pictures,
        grad_cam=heat.cpu().numpy().astype(np.float32),
        activations=tuple(shown_channels(block[0]) for block in maps),
    )


def shown_channels(maps: Tensor) -> Floats:
    """The first (c, h, w) of a picture's maps (C, h, w), copied: what is kept of them must not keep the rest."""
    return np.array(maps[:MOST_CHANNELS].float().cpu().numpy())
