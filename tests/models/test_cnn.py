"""The CNN is the paper's (section 2.5, figure 3)."""

import torch
from torch import nn

from fer_sweep.models.cnn import build_cnn
from fer_sweep.models.dropout import SeededDropout, draw_from
from fer_sweep.spec.models import CnnModel


def test_the_layers_are_those_of_the_paper() -> None:
    net = build_cnn(CnnModel(kind="cnn"), classes=7, seed=0)
    block = ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "SeededDropout"]

    assert [[type(layer).__name__ for layer in b.children()] for b in net.blocks] == [block] * 3
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [32, 32, 64, 64, 128, 128]
    assert all((c.kernel_size, c.padding, c.stride) == ((3, 3), (1, 1), (1, 1)) for c in convolutions)
    assert [type(layer).__name__ for layer in net.head] == ["Flatten", "Linear", "ReLU", "SeededDropout", "Linear"]
    linear = [m for m in net.modules() if isinstance(m, nn.Linear)]
    assert (linear[0].in_features, linear[1].out_features) == (128 * 20 * 20, 7)


def test_sizes_widths_and_dropouts_are_settings() -> None:
    net = build_cnn(CnnModel(kind="cnn", input_size=24, width=4, dropout=0.1, head_dropout=0.6), classes=3, seed=0)

    assert net(torch.zeros(2, 3, 24, 24)).shape == (2, 3)
    assert [m.rate for m in net.modules() if isinstance(m, SeededDropout)] == [0.1, 0.1, 0.1, 0.6]


def test_a_seed_gives_the_weights_and_leaves_torch_alone() -> None:
    config = CnnModel(kind="cnn", input_size=16, width=2)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)

    first, again, other = (build_cnn(config, classes=7, seed=seed).state_dict() for seed in (4, 4, 5))

    assert torch.rand(1) == expected
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_dropout_is_pytorchs_with_a_generator_of_its_own() -> None:
    x = torch.rand(4, 50)
    ours, theirs = SeededDropout(0.3), nn.Dropout(0.3)
    draw_from(nn.Sequential(ours), torch.Generator().manual_seed(5))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        expected = theirs(x)
        state = torch.get_rng_state()
        found = ours(x)
        assert torch.equal(torch.get_rng_state(), state)

    assert torch.equal(found, expected)
    assert torch.equal(ours.eval()(x), x)
    assert torch.equal(SeededDropout(0.0)(x), x)
    assert str(ours) == "SeededDropout(rate=0.3)"
