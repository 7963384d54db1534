"""What fits together when a trial starts from pictures, told before anything runs."""

from pathlib import Path
from typing import Any

import pytest

from fer_sweep.errors import SpecError
from fer_sweep.spec import load_sweep

FACES = "data: {source: synthetic_faces}"
TABLE = "data: {source: synthetic_features}"
SMALL_RESNET = "model: {kind: resnet, mode: finetune, input_size: 32}"


def problem(tmp_path: Path, *lines: str) -> str:
    file = tmp_path / "sweep.yaml"
    file.write_text("\n".join(["name: x", *lines]) + "\n")
    with pytest.raises(SpecError) as caught:
        load_sweep(file)
    return str(caught.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [TABLE, "model: {kind: cnn}", "train: {batch_size: 8}"],
            "model.kind: cnn needs pictures, but data.source: synthetic_features has features.",
        ),
        (
            [FACES, "model: {kind: cnn}"],
            "train.batch_size: full would put all pictures through model.kind: cnn at once.",
        ),
        (
            [FACES, "augment: {crop: 0.1}"],
            "augment.crop: model.kind: mlp sees features, not pictures, so pictures cannot be changed in training.",
        ),
        (
            [FACES, "model: {kind: resnet}", "augment: {flip: true, colour: 0.2}"],
            "augment.colour: model.mode: extract computes features once per picture and its mirror image",
        ),
        (
            [FACES, "features: {size: 100}"],
            "features.size: 100 cannot be divided into 16 x 16 equal cells, as features.phog_levels: 4 needs.",
        ),
        (
            [FACES, "train: {epochs: 50}", "schedule: {kind: step, at: [20, 60]}"],
            "schedule.at: 60 is never reached, because train.epochs is 50.",
        ),
        (
            [FACES, "train: {epochs: 50}", "schedule: {kind: cosine, warm_up: 50}"],
            "schedule.warm_up: 50 epochs leave nothing of train.epochs: 50.",
        ),
        (
            [FACES, "protocol: {split: official}", "confirm: {top_k: 1}"],
            "a confirmation needs fresh splits, but protocol.split: official is the only one of its kind",
        ),
        (
            [FACES, SMALL_RESNET, "train: {batch_size: 1}"],
            "train.batch_size: 1 puts pictures through the network one at a time, and with model.input_size: 32 its "
            "last maps have one value each, of which batch normalization cannot take the spread. Use a larger batch "
            "size, or model.input_size: 64.",
        ),
        (
            [
                FACES,
                "model: {kind: resnet, mode: finetune, input_size: 32}",
                "train: {batch_size: 8}",
                "removal: {rule: lms}",
            ],
            "removal.rule: lms puts pictures through the network one at a time",
        ),
        ([FACES, "features: {lpq_window: 4}"], "features.lpq_window: 4 is not allowed. Allowed: 3, 5, 7"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, lines: list[str], message: str) -> None:
    assert message in problem(tmp_path, *lines)


@pytest.mark.parametrize(
    "lines",
    [
        [FACES, "model: {kind: resnet}", "augment: {flip: true}", "train: {batch_size: 8}"],
        [FACES, "model: {kind: resnet, mode: finetune}", "augment: {mixup: 0.2}", "train: {batch_size: 8}"],
        [FACES, "features: {descriptors: lpq, size: 100}"],
        [TABLE, "features: {size: 100}"],
    ],
)
def test_what_fits_is_accepted(tmp_path: Path, lines: list[str]) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("\n".join(["name: x", *lines]) + "\n")

    spec: Any = load_sweep(file)

    assert spec.name == "x"
