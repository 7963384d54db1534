"""The base half of a sweep file: everything one trial needs. A TrialConfig is a complete, runnable job."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fer_sweep.spec.data import DataConfig, PictureData
from fer_sweep.spec.model import SpecModel
from fer_sweep.spec.models import CnnModel, MlpModel, ModelConfig, ResnetModel, SvmModel, extracts
from fer_sweep.spec.removal import LmsRemoval, NoRemoval, RemovalConfig
from fer_sweep.spec.train import AugmentConfig, ConstantSchedule, ScheduleConfig, StepSchedule, TrainConfig

SMALLEST_MAPS = 32
"""Input size of a ResNet at which its last maps are single values."""


class ProtocolConfig(SpecModel):
    """How samples are split and how often. All trials of a study share it, so that comparisons are paired."""

    folds: int = Field(default=2, ge=2, le=20)
    repeats: int = Field(default=1, ge=1, le=1000)
    """Each repeat draws new folds and new initial weights."""
    split: Literal["person", "random", "stratified", "official"] = "person"
    """`person`: no person on both sides (SPI). `random`: the paper's published practice, not person independent.
    `official`: the parts that come with the data (Train and Val folders, FER-2013's Usage); one fold per repeat."""
    seed: int = Field(default=0, ge=0)
    validation_fraction: float = Field(default=0.0, ge=0.0, le=0.5)
    """Share of the training side that is held out (person-wise if `split: person`) to compute the objective on.
    With 0 the objective is the cross-validated test score, as in the paper: selected on the reported folds."""


class FeaturesConfig(SpecModel):
    """How a picture becomes a feature vector for an MLP or an SVM (Dhall et al. 2011; paper section 2.1)."""

    descriptors: Literal["lpq+phog", "lpq", "phog"] = "lpq+phog"
    size: int = Field(default=128, ge=16, le=1024)
    """Side in pixels that grey faces are resized to."""
    lpq_window: Literal[3, 5, 7, 9, 11, 13, 15] = 7
    lpq_decorrelate: bool = True
    lpq_grid: int = Field(default=4, ge=1, le=16)
    """An LPQ histogram per cell of a grid of this many cells a side; 1: one of the whole face."""
    phog_bins: int = Field(default=16, ge=2, le=360)
    phog_levels: int = Field(default=4, ge=0, le=6)
    """Levels 0..phog_levels, of 2^level cells a side."""
    phog_angle: Literal[180, 360] = 360
    """Range of edge directions in degrees."""
    components: Literal["all"] | Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0.0, lt=1.0)] = 5
    """Principal components per descriptor: a number (the paper's 5 + 5), the share of variance to explain (Dhall et
    al.: 0.98), or `all` for no reduction."""
    fit_on: Literal["train", "all"] = "train"
    """What principal components are fitted on. `all` leaks, as the paper's workbook does."""


class TrialConfig(SpecModel):
    """One complete training job: the base of a sweep file with a trial's parameters put in."""

    data: DataConfig
    protocol: ProtocolConfig = ProtocolConfig()
    features: FeaturesConfig = FeaturesConfig()
    model: ModelConfig = MlpModel(kind="mlp")
    train: TrainConfig = TrainConfig()
    schedule: ScheduleConfig = ConstantSchedule(kind="constant")
    augment: AugmentConfig = AugmentConfig()
    removal: RemovalConfig = NoRemoval(rule="none")

    @property
    def trains_on_pictures(self) -> bool:
        """Whether the pictures themselves go through the network in every epoch, rather than features of them."""
        return isinstance(self.model, CnnModel) or (
            isinstance(self.model, ResnetModel) and self.model.mode == "finetune"
        )

    @property
    def sees_descriptors(self) -> bool:
        """Whether the model sees descriptors of pictures, and so the principal components of them."""
        return isinstance(self.data, PictureData) and isinstance(self.model, MlpModel | SvmModel)

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        broken = [rule for rules in (_time_rules, _model_rules, _picture_rules) for rule in rules(self)]
        if broken:
            raise ValueError("\n".join(broken))
        return self


def _time_rules(config: TrialConfig) -> Iterator[str]:
    """What never happens, because training is over by then."""
    train, schedule = config.train, config.schedule
    start = getattr(config.removal, "start", None)
    if isinstance(start, int) and start >= train.last_epoch:
        yield (
            f"removal.start: {start} is never reached, because training ends at epoch {train.last_epoch}. "
            "Use a smaller removal.start or more train.epochs."
        )
    if train.stop_at is not None and train.stop_at > train.epochs:
        yield (
            f"train.stop_at: {train.stop_at} lies after train.epochs: {train.epochs}. "
            "Use a smaller train.stop_at or leave it out."
        )
    if isinstance(schedule, StepSchedule) and (late := [epoch for epoch in schedule.at if epoch >= train.epochs]):
        yield (
            f"schedule.at: {late[0]} is never reached, because train.epochs is {train.epochs}. "
            "Use smaller epochs or more train.epochs."
        )
    if schedule.warm_up >= train.epochs:
        yield (
            f"schedule.warm_up: {schedule.warm_up} epochs leave nothing of train.epochs: {train.epochs}. "
            "Use a smaller schedule.warm_up."
        )


def _model_rules(config: TrialConfig) -> Iterator[str]:
    """What a model cannot do."""
    model, augment = config.model, config.augment
    if isinstance(model, SvmModel) and not isinstance(config.removal, NoRemoval):
        yield (
            f"removal.rule: {config.removal.rule} needs a model that is trained in epochs, but model.kind is svm. "
            "Use model.kind: mlp, or removal.rule: none."
        )
    changed = [name for name in AugmentConfig.model_fields if getattr(augment, name)]
    frozen = extracts(model)
    useless = [name for name in changed if name != "flip"] if frozen else changed
    if useless and (frozen or isinstance(model, MlpModel | SvmModel)):
        what = (
            "model.mode: extract computes features once per picture and its mirror image"
            if frozen
            else (f"model.kind: {model.kind} sees features, not pictures")
        )
        remedy = "Use model.mode: finetune" if frozen else "Use model.kind: cnn or resnet"
        yield f"augment.{useless[0]}: {what}, so pictures cannot be changed in training. {remedy}, or leave it out."
    if config.trains_on_pictures and config.train.batch_size == "full":
        yield (
            f"train.batch_size: full would put all pictures through model.kind: {model.kind} at once. "
            "Use a number such as 8 (the paper's) or 32."
        )
    alone = config.train.batch_size == 1 or isinstance(config.removal, LmsRemoval)
    if config.trains_on_pictures and isinstance(model, ResnetModel) and model.input_size <= SMALLEST_MAPS and alone:
        which, remedy = "removal.rule: lms", "share of the samples (another rule)"
        if config.train.batch_size == 1:
            which, remedy = "train.batch_size: 1", "batch size"
        yield (
            f"{which} puts pictures through the network one at a time, and with model.input_size: {model.input_size} "
            "its last maps have one value each, of which batch normalization cannot take the spread. Use a larger "
            f"{remedy}, or model.input_size: {2 * SMALLEST_MAPS}."
        )


def _picture_rules(config: TrialConfig) -> Iterator[str]:
    """What needs pictures, and what their descriptors need."""
    model, features = config.model, config.features
    if not isinstance(config.data, PictureData):
        if isinstance(model, CnnModel | ResnetModel):
            yield (
                f"model.kind: {model.kind} needs pictures, but data.source: {config.data.source} has features. "
                "Use data.source: folder, fer2013 or synthetic_faces, or model.kind: mlp or svm."
            )
        return
    if isinstance(model, MlpModel | SvmModel) and "phog" in features.descriptors:
        cells = 2**features.phog_levels
        if features.size % cells:
            yield (
                f"features.size: {features.size} cannot be divided into {cells} x {cells} equal cells, as "
                f"features.phog_levels: {features.phog_levels} needs. Use a multiple of {cells}, or fewer levels."
            )
