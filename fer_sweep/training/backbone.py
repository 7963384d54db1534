"""`mode: extract`: every picture and its mirror image go through the frozen ResNet once; the rest is a linear layer."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from fer_sweep.data.pictures import Pictures, Pixels
from fer_sweep.models.grad_cam import block_maps, grad_cam
from fer_sweep.models.pictures import Normalization
from fer_sweep.models.resnet import build_backbone
from fer_sweep.spec.models import ResnetModel
from fer_sweep.training.explanation import Integers, shown_channels
from fer_sweep.training.member import Floats, Weights
from fer_sweep.training.records import Explanation

BATCH = 32


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the frozen layers make of one picture (S, S, 3): the last maps (F, h, w), and some of every stage's."""

    picture: Pixels
    last: Tensor
    shown: tuple[Floats, ...]


class Backbone:
    """The frozen ResNet of a model. Raises DataError if its weights cannot be had."""

    def __init__(self, model: ResnetModel, device: torch.device) -> None:
        self._model, self._device = model, device
        self._module = build_backbone(model)
        weights = hashlib.sha256()
        for tensor in self._module.state_dict().values():
            weights.update(tensor.numpy().tobytes())
        self._key = model.depth, model.input_size, weights.hexdigest()
        self._module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._normalization = Normalization(model, device)
        self._seen: dict[int, _Seen] = {}  # by row of the samples: the trials of a study ask for the same ones

    def features(self, pictures: Pictures) -> tuple[Floats, Floats]:
        """(N, F) features of the pictures and (N, F) of their mirror images: the last maps averaged, F 512 or 2048.

        Computed in float32 whatever the device, and remembered by the pictures' cache under the weights' content.
        """

        def compute() -> Floats:
            return self._pass_all(pictures.pixels(self._model.input_size))

        both = pictures.computed("backbone", self._key, compute)
        return both[0], both[1]

    def explain(self, pictures: Pictures, rows: Integers, last_layer: Weights) -> Explanation:
        """What a network sees in these rows of the pictures. last_layer: that it learned, fields of LinearWeights."""
        unknown = [row for row in rows.tolist() if row not in self._seen]
        if unknown:
            self._look(unknown, replace(pictures.select(unknown), cache=None).pixels(self._model.input_size))
        seen = [self._seen[row] for row in rows.tolist()]
        weight, bias = (
            torch.from_numpy(np.array(last_layer[name])).to(self._device) for name in ("output", "output_bias")
        )
        predicted, heat = grad_cam(
            lambda maps: functional.linear(maps.mean((2, 3)), weight, bias),
            torch.stack([one.last for one in seen]),
            self._model.input_size,
        )
        return Explanation(
            samples=rows,
            predicted=predicted.cpu().numpy(),
            pictures=np.stack([one.picture for one in seen]),
            grad_cam=heat.cpu().numpy().astype(np.float32),
            activations=seen[0].shown,
        )

    def _look(self, rows: list[int], pixels: Pixels) -> None:
        stages = block_maps(self._module, self._prepared(pixels))
        for i, (row, picture) in enumerate(zip(rows, pixels, strict=True)):
            shown = tuple(shown_channels(stage[i]) for stage in stages)
            self._seen[row] = _Seen(picture, stages[-1][i].clone(), shown)

    @torch.inference_mode()
    def _pass_all(self, pixels: Pixels) -> Floats:
        """(2, N, F) features of pictures (N, S, S, 3) and of their mirror images."""
        batches = []
        for begin in range(0, len(pixels), BATCH):
            x = self._prepared(pixels[begin : begin + BATCH])
            batches.append(torch.stack([self._module(x), self._module(x.flip(-1))]).cpu())
        return np.asarray(torch.cat(batches, dim=1).numpy())

    def _prepared(self, pixels: Pixels) -> Tensor:
        return self._normalization.prepared(torch.tensor(pixels, device=self._device))


def with_last_layer(model: ResnetModel, last_layer: Weights) -> dict[str, npt.NDArray[np.float32]]:
    """The state of a ResNet whose frozen layers are those that features were extracted with, and whose last layer is
    the linear one that learned on them: the fields of LinearWeights."""
    frozen = {name: tensor.numpy() for name, tensor in build_backbone(model).state_dict().items()}
    return {**frozen, "fc.weight": last_layer["output"], "fc.bias": last_layer["output_bias"]}
