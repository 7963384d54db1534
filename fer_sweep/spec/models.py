"""What is trained: the `model` section of a sweep file, one model per `kind`."""

from typing import Annotated, Literal, TypeGuard

from pydantic import Field

from fer_sweep.spec.model import SpecModel


class MlpModel(SpecModel):
    """One hidden layer: d inputs, `hidden_units` ReLU units, one output per class (paper section 2.3)."""

    kind: Literal["mlp"]
    hidden_units: int = Field(default=200, ge=1, le=100_000)


class SvmModel(SpecModel):
    """C-SVC of scikit-learn, the classifier of the SFEW baseline (paper Table 1, first rows)."""

    kind: Literal["svm"]
    kernel: Literal["rbf", "linear", "poly"] = "rbf"
    c: float = Field(default=10.0, gt=0.0)
    gamma: Literal["scale", "auto"] | Annotated[float, Field(gt=0.0)] = "scale"


class CnnModel(SpecModel):
    """The self-designed CNN (paper section 2.5, figure 3): three blocks of two 3 x 3 convolutions with batch
    normalization and ReLU, 2 x 2 max-pooling and dropout; then two fully connected layers with dropout between."""

    kind: Literal["cnn"]
    input_size: int = Field(default=160, ge=16, le=512, multiple_of=8)
    """Side in pixels that pictures are resized to."""
    width: int = Field(default=32, ge=1, le=512)
    """Channels of the first block; the second has twice, the third four times as many."""
    hidden_units: int = Field(default=128, ge=1, le=8192)
    """Units of the first fully connected layer (the paper gives its width in a figure only)."""
    dropout: float = Field(default=0.25, ge=0.0, lt=1.0)
    """Dropout after each pooling."""
    head_dropout: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Dropout between the two fully connected layers."""


class ResnetModel(SpecModel):
    """ResNet of torchvision with a new last layer (paper section 2.6)."""

    kind: Literal["resnet"]
    depth: Literal[18, 50, 101] = 18
    mode: Literal["extract", "finetune"] = "extract"
    """`extract`: only the new last layer learns, on features computed once. `finetune`: all weights learn."""
    weights: str = Field(default="imagenet", min_length=1)
    """`imagenet`, `none` (random), or the path of a file with a state_dict."""
    input_size: int = Field(default=224, ge=32, le=512)


def extracts(model: SpecModel) -> TypeGuard[ResnetModel]:
    """Whether only a last layer learns, on features that a frozen network computes."""
    return isinstance(model, ResnetModel) and model.mode == "extract"


ModelConfig = Annotated[MlpModel | SvmModel | CnnModel | ResnetModel, Field(discriminator="kind")]
