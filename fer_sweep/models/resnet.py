"""ResNet-18, -50 and -101 of torchvision with a new last layer (paper section 2.6), from ImageNet weights or none."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from fer_sweep.errors import DataError
from fer_sweep.models.weights_file import read_state
from fer_sweep.spec.models import ResnetModel

if TYPE_CHECKING:
    from torchvision.models import ResNet

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, which the weights were trained with; pixels in [0, 1]."""


def build_resnet(config: ResnetModel, *, classes: int, seed: int) -> "ResNet":
    """The whole network with a new `fc` layer of C outputs; what no weights are loaded for is drawn from `seed`.

    Raises DataError if the weights cannot be had or do not fit.
    """
    build, _ = _architecture(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: ResNet = build(weights=None)
        network.fc = nn.Linear(network.fc.in_features, classes)
    state = load_weights(config)
    if state is not None:
        network.load_state_dict({**network.state_dict(), **state})
    return network


def build_backbone(config: ResnetModel) -> nn.Module:
    """The frozen network without its last layer, in evaluation mode: maps (n, 3, size, size) to (n, F) features.
    F is 512 for depth 18, else 2048. Without weights it is random, but always the same."""
    network = build_resnet(config, classes=1, seed=0)
    network.fc = nn.Identity()
    frozen: nn.Module = network.eval().requires_grad_(False)
    return frozen


def load_weights(config: ResnetModel) -> dict[str, Tensor] | None:
    """The state_dict that `config.weights` names, without the last layer; None for `none`.

    Raises DataError if it cannot be had, or is not of this architecture.
    """
    if config.weights == "none":
        return None
    _, enum = _architecture(config)
    state = _imagenet(config, enum) if config.weights == "imagenet" else read_state(config.weights)
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    state = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    _check_fit(config, state)
    return state


def _architecture(config: ResnetModel) -> tuple[Any, Any]:
    """What builds it, and its weights of the paper's time (2021)."""
    from torchvision import models  # takes as long to load as torch itself, and few studies want it

    return {
        18: (models.resnet18, models.ResNet18_Weights.IMAGENET1K_V1),
        50: (models.resnet50, models.ResNet50_Weights.IMAGENET1K_V1),
        101: (models.resnet101, models.ResNet101_Weights.IMAGENET1K_V1),
    }[config.depth]


def _imagenet(config: ResnetModel, enum: Any) -> dict[str, Tensor]:
    name = Path(enum.url).name
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    there = (folder / name).exists()
    try:
        return dict(enum.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except Exception as error:  # what torch raises for a damaged file has no end
        if there:
            raise DataError(
                f"model.weights: imagenet: {folder / name} cannot be loaded: it is damaged, or something else. Delete "
                "it to have it downloaded again, or put the right one there."
            ) from error
        raise DataError(
            f"model.weights: imagenet needs {name}, which is not in {folder} and could not be downloaded from "
            f"{enum.url} ({error}). Put the file there on a machine without network, or give its path as "
            "model.weights, or use model.weights: none."
        ) from error


def _check_fit(config: ResnetModel, state: dict[str, Tensor]) -> None:
    build, _ = _architecture(config)
    with torch.device("meta"):
        expected = {k: v.shape for k, v in build(weights=None).state_dict().items() if not k.startswith("fc.")}
    found = {name: tensor.shape for name, tensor in state.items()}
    # num_batches_tracked is absent from files of old versions of torch and plays no part in evaluation
    wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    if wrong := [name for name in wrong if not name.endswith("num_batches_tracked")]:
        raise DataError(
            f"model.weights: {config.weights} does not fit a ResNet-{config.depth}: {len(wrong)} tensors differ, such "
            f"as {wrong[0]}. Check model.depth (18, 50 or 101); one file serves one depth, so a search leaves out the "
            "others, as with --set 'parameters.model.depth.values=[18]'."
        )
    if broken := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise DataError(
            f"model.weights: {config.weights} holds values that are no finite numbers, in {broken[0]}: the training "
            "that it comes from has diverged. Use other weights."
        )
