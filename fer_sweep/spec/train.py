"""How a network is trained: the `train`, `schedule` and `augment` sections of a sweep file."""

from typing import Annotated, Literal

from pydantic import Field

from fer_sweep.spec.model import SpecModel


class TrainConfig(SpecModel):
    """How a network is trained. An SVM uses `normalize` only; networks that see pictures do not use it."""

    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    learning_rate: float = Field(default=0.01, gt=0.0, le=1000.0)
    momentum: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Momentum of `sgd`; the other optimizers ignore it."""
    weight_decay: float = Field(default=0.0, ge=0.0)
    epochs: int = Field(default=2000, ge=1, le=1_000_000)
    batch_size: Literal["full"] | Annotated[int, Field(ge=1)] = "full"
    normalize: bool | Literal["all"] = True
    """`true`: z-score with the training part's mean and deviation. `all`: with those of all samples (leaks; the
    paper's practice is ambiguous). `false`: features as they are."""
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of a target that is spread evenly over all classes. Reported losses are without it."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced`: a sample weighs N / (C n_c), so that rare classes count as much as frequent ones."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of CNN and ResNet. `auto`: bfloat16 where a GPU computes it, else float32."""
    deterministic: bool = False
    """Of CNN and ResNet on a GPU: only algorithms that give the same numbers twice, which are slower. A CPU always
    gives the same numbers twice."""
    stop_at: int | None = Field(default=None, ge=1)
    """Plain early stopping: end after this many epochs, whatever `epochs` says. A control for claims about BDR."""

    @property
    def last_epoch(self) -> int:
        """The epoch training ends at when nothing stops it earlier."""
        return self.epochs if self.stop_at is None else min(self.epochs, self.stop_at)


class _Schedule(SpecModel):
    warm_up: int = Field(default=0, ge=0)
    """Epochs over which the learning rate rises linearly to its full value, before the schedule proper begins."""


class ConstantSchedule(_Schedule):
    """The learning rate stays as it is."""

    kind: Literal["constant"]


class StepSchedule(_Schedule):
    """The learning rate is multiplied by `factor` at each epoch in `at`: the paper's for ResNet, by 0.1 at epochs 100
    and 120 of 150."""

    kind: Literal["step"]
    at: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(100, 120), strict=False)
    factor: float = Field(default=0.1, gt=0.0, le=1.0)


class ExponentialSchedule(_Schedule):
    """The learning rate is multiplied by `factor` every epoch."""

    kind: Literal["exponential"]
    factor: float = Field(default=0.97, gt=0.0, le=1.0)


class CosineSchedule(_Schedule):
    """The learning rate falls along half a cosine to `final` of its full value at the last epoch."""

    kind: Literal["cosine"]
    final: float = Field(default=0.0, ge=0.0, le=1.0)


ScheduleConfig = Annotated[
    ConstantSchedule | StepSchedule | ExponentialSchedule | CosineSchedule, Field(discriminator="kind")
]


class AugmentConfig(SpecModel):
    """Random changes of training pictures, anew in every epoch."""

    flip: bool = False
    """Mirror half of the pictures."""
    crop: float = Field(default=0.0, ge=0.0, le=0.5)
    """Shift by up to this share of the side; what is laid bare is filled with the mirrored picture."""
    rotation: float = Field(default=0.0, ge=0.0, le=180.0)
    """Turn about the centre by up to this many degrees; what is laid bare is filled with the mirrored picture."""
    colour: float = Field(default=0.0, ge=0.0, le=1.0)
    """Change brightness, contrast and saturation by up to this factor."""
    erasing: float = Field(default=0.0, ge=0.0, le=1.0)
    """Probability that a random rectangle is blanked (Zhong et al. 2020)."""
    mixup: float = Field(default=0.0, ge=0.0, le=10.0)
    """Alpha of mixup (Zhang et al. 2018): pictures and targets are blended with a Beta(alpha, alpha) share. 0: not.
    The training accuracy is then that of blended pictures against one of their two labels."""
