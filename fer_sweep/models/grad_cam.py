"""Grad-CAM (Selvaraju et al. 2017): which places of a picture speak for the class that a network predicts."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_sweep.models.cnn import Cnn


def block_maps(module: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """(n, C, h, w) feature maps of every block. x: (n, 3, S, S) prepared pictures; module: in evaluation mode."""
    maps: list[Tensor] = []

    def remember(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        maps.append(output)

    hooks = [block.register_forward_hook(remember) for block in blocks_of(module)]
    try:
        with torch.no_grad():
            module(x)
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(maps)


def grad_cam(head: Callable[[Tensor], Tensor], last: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """(n,) predicted classes, and (n, size, size) what speaks for them in [0, 1]: ReLU(sum_k a_k A_k), with a_k the
    mean of dY/dA_k of that class (equations 1 and 2), scaled to a largest value of 1.

    last: (n, C, h, w) maps A of the last block; head: makes logits of them.
    """
    last = last.detach().requires_grad_()  # what comes before needs no gradient
    with torch.enable_grad():
        logits = head(last)
    predicted = logits.argmax(1)
    (gradient,) = torch.autograd.grad(logits.gather(1, predicted[:, None]).sum(), last)
    heat = (gradient.mean((2, 3), keepdim=True) * last.detach()).sum(1, keepdim=True).relu()
    heat = functional.interpolate(heat, (size, size), mode="bilinear", align_corners=False)[:, 0]
    return predicted, heat / heat.amax((1, 2), keepdim=True).clamp(min=1e-12)


def blocks_of(module: nn.Module) -> Sequence[nn.Module]:
    """The CNN's three blocks (paper figure 8), or a ResNet's four stages."""
    if isinstance(module, Cnn):
        return list(module.blocks)
    return [module.get_submodule(f"layer{i}") for i in range(1, 5)]


def head_of(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """What makes logits of the last block's maps."""
    if isinstance(module, Cnn):
        return module.head
    return nn.Sequential(module.get_submodule("avgpool"), nn.Flatten(), module.get_submodule("fc"))
