"""Which ResNets a sweep can come to: the base's and the search's, no others."""

import pytest

from fer_sweep.spec import resnets_reached
from tests.spec.sweep_files import load_text

HEAD = "name: x\ndata: {source: synthetic_faces}\nmethod: random\nrun_cap: 3\ntrain: {batch_size: 8, epochs: 40}\n"


def reached(model: str, parameters: str) -> set[tuple[int, str]]:
    spec = load_text(
        f"model: {model}\nparameters: {{train.learning_rate: {{values: [0.1]}}, {parameters}}}\n", head=HEAD
    )
    found = resnets_reached(spec)
    assert len(found) == len({(model.depth, model.weights) for model in found})
    return {(model.depth, model.weights) for model in found}


@pytest.mark.parametrize(
    ("model", "parameters", "expected"),
    [
        ("{kind: mlp}", "", set()),
        ("{kind: resnet, depth: 50}", "", {(50, "imagenet")}),
        ("{kind: resnet}", "model.depth: {values: [50, 101]}", {(18, "imagenet"), (50, "imagenet"), (101, "imagenet")}),
        ("{kind: resnet}", "model.depth: {value: 50}", {(18, "imagenet"), (50, "imagenet")}),
        ("{kind: resnet, weights: a.pth}", "model.weights: {values: [none, b.pth]}",
         {(18, "a.pth"), (18, "none"), (18, "b.pth")}),
        ("{kind: mlp}", "model.kind: {values: [mlp, resnet]}", {(18, "imagenet")}),
        ("{kind: mlp}",
         "model.kind: {values: [mlp, resnet]}, model.depth: {values: [50], when: {model.kind: resnet}}, "
         "model.weights: {values: [none], when: {model.kind: resnet}}", {(50, "none")}),
        ("{kind: resnet, depth: 101, weights: none}", "model.kind: {values: [svm, mlp]}", {(101, "none")}),
        ("{kind: resnet}",
         "model.weights: {values: [none, imagenet]}, model.depth: {values: [18, 50], when: {model.weights: none}}",
         {(18, "imagenet"), (18, "none"), (50, "none")}),
        ("{kind: resnet}",
         "train.epochs: {values: [30, 90]}, train.weight_decay: {min: 0.0, max: 0.1}, "
         "model.depth: {values: [50], when: {train.epochs: 30}}", {(18, "imagenet"), (50, "imagenet")}),
    ],
)  # fmt: skip
def test_the_base_and_whatever_the_search_can_propose_is_reached(
    model: str, parameters: str, expected: set[tuple[int, str]]
) -> None:
    assert reached(model, parameters) == expected
