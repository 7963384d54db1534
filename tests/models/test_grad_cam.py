"""Grad-CAM against its definition, and what it leaves alone."""

import pytest
import torch
from torch import nn

from fer_sweep.models.grad_cam import block_maps, blocks_of, grad_cam, head_of
from fer_sweep.models.pictures import build_picture_network
from fer_sweep.spec.models import CnnModel, ResnetModel

CNN = CnnModel(kind="cnn", input_size=32, width=4, hidden_units=8)
RESNET = ResnetModel(kind="resnet", mode="finetune", weights="none", input_size=64)


@pytest.fixture(params=[CNN, RESNET], ids=["cnn", "resnet"])
def network(request: pytest.FixtureRequest) -> nn.Module:
    return build_picture_network(request.param, classes=7, seed=1).eval()


@pytest.fixture
def x(network: nn.Module) -> torch.Tensor:
    side = 32 if len(blocks_of(network)) == 3 else 64
    return torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(2))


def test_it_is_the_definition_by_automatic_differentiation_through_the_whole_network(
    network: nn.Module, x: torch.Tensor
) -> None:
    kept: list[torch.Tensor] = []
    hook = blocks_of(network)[-1].register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    logits = network(x)
    hook.remove()
    (gradient,) = torch.autograd.grad(logits.max(1).values.sum(), kept[0])
    maps = kept[0].detach()
    expected = torch.einsum("nc,nchw->nhw", gradient.mean((2, 3)), maps).clamp(min=0)

    predicted, heat = grad_cam(head_of(network), block_maps(network, x)[-1], maps.shape[-1])

    assert torch.equal(predicted, logits.argmax(1))
    largest = expected.flatten(1).max(1).values
    torch.testing.assert_close(heat * largest[:, None, None], expected, atol=1e-5, rtol=1e-4)
    assert heat.amax((1, 2)).tolist() == pytest.approx([1.0 if one > 0 else 0.0 for one in largest])


def test_it_is_as_large_as_the_pictures_and_changes_nothing(network: nn.Module, x: torch.Tensor) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    maps = block_maps(network, x)
    _, heat = grad_cam(head_of(network), maps[-1], x.shape[-1])

    assert heat.shape == (3, *x.shape[-2:])
    assert 0.0 <= heat.min() <= heat.max() <= 1.0
    assert not heat.requires_grad
    assert not any(one.requires_grad for one in maps)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_the_head_makes_logits_of_the_last_maps(network: nn.Module, x: torch.Tensor) -> None:
    with torch.no_grad():
        torch.testing.assert_close(head_of(network)(block_maps(network, x)[-1]), network(x))
