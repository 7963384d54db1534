"""Small pipelines of every kind, fitted for real."""

from collections.abc import Generator
from typing import Any, TypeVar

import torch

from fer_sweep.data import Samples
from fer_sweep.serving import FittedPipeline
from fer_sweep.spec.trial import TrialConfig
from fer_sweep.training.records import EpochReport
from fer_sweep.training.refit import refit
from fer_sweep.training.threads import threads_each

CPU = torch.device("cpu")
ROWS = {"source": "synthetic_features", "samples": 70, "persons": 10, "features": 6, "separation": 3.0, "seed": 1}
FACES = {"source": "synthetic_faces", "samples": 42, "persons": 6, "size": 48}
PICTURE_TRAINING = {"learning_rate": 1e-3, "epochs": 3, "batch_size": 8}
BDR = {"rule": "bdr", "start": 10, "interval": 10, "min_per_class": 1, "stop_variance": None}

KINDS: dict[str, dict[str, Any]] = {
    "mlp, fused": {"train": {"epochs": 60}, "removal": BDR},
    "mlp, batched": {"train": {"epochs": 30, "batch_size": 16}, "removal": {**BDR, "at_random": True}},
    "mlp, as they are": {"train": {"epochs": 30, "normalize": False, "label_smoothing": 0.1}},
    "svm": {"model": {"kind": "svm"}},
    "mlp on descriptors": {"data": FACES, "features": {"size": 32}, "train": {"epochs": 40}},
    "svm on descriptors": {
        "data": {**FACES, "face": "viola_jones", "no_face": "centre"},
        "model": {"kind": "svm", "kernel": "poly"},
        "features": {"size": 32, "descriptors": "phog", "components": "all", "phog_levels": 2},
    },
    "cnn": {
        "data": {**FACES, "face": "viola_jones"},
        "model": {"kind": "cnn", "input_size": 16, "width": 4, "hidden_units": 16},
        "train": PICTURE_TRAINING,
        "augment": {"flip": True},
    },
    "resnet, fine-tuned": {
        "data": {**FACES, "samples": 28},
        "model": {"kind": "resnet", "mode": "finetune", "weights": "none", "input_size": 32},
        "train": {**PICTURE_TRAINING, "epochs": 1},
    },
    "resnet, frozen": {
        "data": {**FACES, "samples": 28},
        "model": {"kind": "resnet", "mode": "extract", "weights": "none", "input_size": 32},
        "train": {"epochs": 20, "batch_size": 8},
        "augment": {"flip": True},
    },
}

R = TypeVar("R")


def configured(settings: dict[str, Any]) -> TrialConfig:
    base = {"data": ROWS, "model": {"kind": "mlp", "hidden_units": 9}}
    return TrialConfig.model_validate({**base, **settings})


def ended(running: Generator[EpochReport, None, R]) -> tuple[list[EpochReport], R]:
    reports: list[EpochReport] = []
    with threads_each(1):  # threads that wait for each other are slow on a machine that others use too
        while True:
            try:
                reports.append(next(running))
            except StopIteration as end:
                return reports, end.value


def fitted(config: TrialConfig, samples: Samples, **settings: Any) -> FittedPipeline:
    return ended(refit(config, samples, seed=5, device=CPU, **settings))[1]
