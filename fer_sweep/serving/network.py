"""The network of a fitted pipeline, built from its configuration and weights."""

import numpy as np
import numpy.typing as npt
import torch

from fer_sweep.models.grad_cam import block_maps, grad_cam, head_of
from fer_sweep.models.mlp import MlpWeights, as_module
from fer_sweep.models.pictures import Normalization, build_picture_network
from fer_sweep.serving.pipeline import Weights
from fer_sweep.spec.models import CnnModel, MlpModel, ResnetModel

Floats = npt.NDArray[np.float32]

CPU = torch.device("cpu")
BATCH = 32


class Network:
    """A network in evaluation mode, on the CPU."""

    def __init__(self, model: MlpModel | CnnModel | ResnetModel, weights: Weights, *, classes: int) -> None:
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
        if isinstance(model, MlpModel):
            self._module: torch.nn.Module = as_module(MlpWeights(**tensors)).eval()
            return
        if isinstance(model, ResnetModel):
            model = model.model_copy(update={"weights": "none"})  # they come from `weights`, not from where they began
        self.input_size = model.input_size
        self._normalization = Normalization(model, CPU)
        self._module = build_picture_network(model, classes=classes, seed=0)
        self._module.load_state_dict(tensors)
        self._module.to(memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def of_features(self, x: Floats) -> Floats:
        """(n, C) probabilities of features (n, d)."""
        return np.asarray(self._module(torch.from_numpy(x)).softmax(-1).numpy())

    @torch.inference_mode()
    def of_pixels(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """(n, C) probabilities of faces (n, S, S, 3)."""
        logits = []
        for batch in torch.split(torch.tensor(pixels), BATCH):
            logits.append(self._module(self._normalization.prepared(batch)))
        return np.asarray(torch.cat(logits).softmax(-1).numpy())

    def heat_of(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """(n, S, S) in [0, 1]: what in faces (n, S, S, 3) speaks for the class that is predicted (Grad-CAM)."""
        heat = []
        for batch in torch.split(torch.tensor(pixels), BATCH):
            last = block_maps(self._module, self._normalization.prepared(batch))[-1]
            heat.append(grad_cam(head_of(self._module), last, self.input_size)[1])
        return np.asarray(torch.cat(heat).numpy())
