"""A network as a population takes it in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fer_sweep.models.linear import LinearWeights
from fer_sweep.models.mlp import MlpWeights
from fer_sweep.spec.train import ConstantSchedule, ScheduleConfig, TrainConfig

CONSTANT = ConstantSchedule(kind="constant")
Floats = npt.NDArray[np.float32]
Weights = Mapping[str, npt.NDArray[Any]]
"""A network's weights by name: the fields of MlpWeights or LinearWeights, or the tensors of a module's state."""


@dataclass(frozen=True, eq=False)
class Member:
    """One network to train. x: (n, d) training features, y: (n,) classes; `evaluate` are further feature sets
    (validation, test) to predict on; `shuffle` draws the mini-batches. mirrored: (n, d) features of the mirrored
    training pictures, of which half are taken in every epoch."""

    weights: MlpWeights | LinearWeights
    train: TrainConfig
    x: Floats
    y: npt.NDArray[np.int64]
    evaluate: tuple[Floats, ...]
    shuffle: np.random.Generator
    schedule: ScheduleConfig = CONSTANT
    mirrored: Floats | None = None


def importance(train: TrainConfig, y: npt.NDArray[np.int64], classes: int) -> Floats:
    """(n,) what each training sample weighs: 1, or N / (C n_c) with `class_weights: balanced`."""
    if train.class_weights == "none":
        return np.ones(len(y), dtype=np.float32)
    counts = np.bincount(y, minlength=classes)
    return (len(y) / (classes * counts[y])).astype(np.float32)
