"""FittedPipeline: a trained model with all that its input goes through, as frozen facts and arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy.typing as npt

from fer_sweep.features.projection import Projection
from fer_sweep.features.scaling import Scaling
from fer_sweep.spec.data import FaceOptions
from fer_sweep.spec.models import ModelConfig
from fer_sweep.spec.trial import FeaturesConfig

Weights = Mapping[str, npt.NDArray[Any]]
"""Arrays by name: the fields of MlpWeights or SvmWeights, or the tensors of a CNN's or ResNet's state."""


@dataclass(frozen=True)
class FeatureRows:
    """Input in rows of numbers. names: (d,) of the features in their order; missing: what becomes of a row that lacks
    one, as in the data section: zeros are filled in, it gets no answer (`drop`), or it is refused."""

    names: tuple[str, ...]
    missing: Literal["drop", "impute", "error"] = "error"


@dataclass(frozen=True, eq=False)
class FittedPipeline:
    """What turns input into class probabilities, in this order:

    input:       rows of features, or pictures and where their face is
    descriptors: of the faces; None for rows and for networks that see the pictures themselves
    projection:  onto principal axes; None or empty where there is none
    scaling:     of the features; None where they are used as they are
    model, weights: of the network or SVM. A ResNet of `mode: extract` is a ResNet with the last layer that was learned
    class_names: C names, index = class
    """

    input: FeatureRows | FaceOptions
    descriptors: FeaturesConfig | None
    projection: Projection | None
    scaling: Scaling | None
    model: ModelConfig
    weights: Weights
    class_names: tuple[str, ...]
