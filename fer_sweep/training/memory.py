"""How much main memory training on pictures takes, and how much there is."""

import os
from pathlib import Path

import torch
from torch import Tensor, nn

SHARE = 0.5
"""Of the memory, for networks that train at once: gradients on the way back, the pictures, and whoever else is here
need the rest."""
_GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux says what a container may use, in control groups of version 2 and 1."""


def own_memory() -> int:
    """Bytes of main memory that this process may use at most: the machine's, or its container's if that is less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in map(Path, _GROUP_LIMITS):
        if file.is_file() and (text := file.read_text().strip()).isdigit():  # else "max"
            limits.append(int(text))
    return min(limits)


def networks_at_once(module: nn.Module, picture: Tensor, batch_size: int) -> int:
    """How many networks like this one can train at once on this machine's main memory; at least one.

    picture: (1, 3, S, S), prepared.
    """
    return max(1, int(SHARE * own_memory() / (batch_size * bytes_kept(module, picture))))


def bytes_kept(module: nn.Module, picture: Tensor) -> int:
    """Bytes that a forward pass keeps of one picture for the way back. The module is as it was afterwards."""
    weights = {tensor.data_ptr() for tensor in module.state_dict().values()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    training = module.training
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module.eval()(picture)  # in evaluation mode, so that batch normalization takes one picture and learns nothing
    module.train(training)
    return sum(kept.values())
