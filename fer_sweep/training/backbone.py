"""`mode: extract`: every picture and its mirror image go through the frozen ResNet once; the rest is a linear layer."""

import hashlib

import numpy as np
import numpy.typing as npt
import torch

from fer_sweep.data.pictures import Pictures
from fer_sweep.models.pictures import Normalization, plain_batch
from fer_sweep.models.resnet import build_backbone
from fer_sweep.spec.models import ResnetModel

BATCH = 32

Floats = npt.NDArray[np.float32]


def extract_features(pictures: Pictures, model: ResnetModel, device: torch.device) -> tuple[Floats, Floats]:
    """(N, F) features of the pictures and (N, F) of their mirror images: the last feature map averaged, F 512 or 2048.

    Computed in float32 whatever the device, and remembered by the pictures' cache under the weights' content.
    Raises DataError if the weights cannot be had.
    """
    backbone = build_backbone(model)
    weights = hashlib.sha256()
    for tensor in backbone.state_dict().values():
        weights.update(tensor.numpy().tobytes())

    def compute() -> Floats:
        return _pass_all(pictures.pixels(model.input_size), backbone, Normalization(model, device), device)

    both = pictures.computed("backbone", (model.depth, model.input_size, weights.hexdigest()), compute)
    return both[0], both[1]


@torch.inference_mode()
def _pass_all(
    pixels: npt.NDArray[np.uint8], backbone: torch.nn.Module, normalization: Normalization, device: torch.device
) -> Floats:
    """(2, N, F) features of pictures (N, S, S, 3) and of their mirror images."""
    backbone.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = []
    for begin in range(0, len(pixels), BATCH):
        batch = torch.tensor(pixels[begin : begin + BATCH], device=device)
        x = normalization.apply(plain_batch(batch, torch.arange(len(batch), device=device)))
        batches.append(torch.stack([backbone(x), backbone(x.flip(-1))]).cpu())
    return torch.cat(batches, dim=1).numpy()
