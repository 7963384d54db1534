"""What a trained network looks at: Grad-CAM on one test picture per class, and the maps that its blocks make of one."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_sweep.models.cnn import Cnn
from fer_sweep.training.member import Floats
from fer_sweep.training.picture_network import Integers, PictureNetwork
from fer_sweep.training.records import Explanation

TEST = 1
MOST_CHANNELS = 16


def explain(network: PictureNetwork, y: Integers, probabilities: Floats) -> Explanation:
    """y: (n,) classes and probabilities: (n, C) of the network's test pictures.

    Chosen is, per class, the test picture whose true class is most probable. Grad-CAM (Selvaraju et al. 2017) is that
    of the predicted class on the last block: ReLU(sum_k a_k A_k) with a_k the mean of dY/dA_k, scaled to [0, 1].
    """
    chosen = np.array(
        [
            positions[probabilities[positions, c].argmax()]
            for c in range(probabilities.shape[1])
            if len(positions := np.flatnonzero(y == c))
        ]
    )
    rows = network.member.parts[TEST][chosen]
    x = network.prepared(torch.from_numpy(rows).to(network.device))
    maps, cams, predicted = _maps_and_cams(network.module.eval(), x)
    return Explanation(
        samples=rows,
        predicted=predicted.cpu().numpy(),
        pictures=network.seen(rows),
        grad_cam=cams.cpu().numpy().astype(np.float32),
        activations=tuple(block[0, :MOST_CHANNELS].detach().float().cpu().numpy() for block in maps),
    )


def blocks_of(module: nn.Module) -> Sequence[nn.Module]:
    """The CNN's three blocks (paper figure 8), or a ResNet's four stages."""
    if isinstance(module, Cnn):
        return list(module.blocks)
    return [module.get_submodule(f"layer{i}") for i in range(1, 5)]


def _maps_and_cams(module: nn.Module, x: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
    maps: list[Tensor] = []

    def remember(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        maps.append(output)

    hooks = [block.register_forward_hook(remember) for block in blocks_of(module)]
    try:
        with torch.enable_grad():
            logits = module(x.requires_grad_())
            predicted = logits.argmax(1)
            (gradient,) = torch.autograd.grad(logits.gather(1, predicted[:, None]).sum(), maps[-1])
    finally:
        for hook in hooks:
            hook.remove()
    cams = (gradient.mean((2, 3), keepdim=True) * maps[-1]).sum(1).relu()
    cams = functional.interpolate(cams[:, None], x.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    cams = cams / cams.amax((1, 2), keepdim=True).clamp(min=1e-12)
    return maps, cams.detach(), predicted
