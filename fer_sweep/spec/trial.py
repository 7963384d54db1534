"""The base half of a sweep file: everything one trial needs. A TrialConfig is a complete, runnable job."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fer_sweep.spec.data import DataConfig
from fer_sweep.spec.model import SpecModel


class ProtocolConfig(SpecModel):
    """How samples are split and how often. All trials of a study share it, so that comparisons are paired."""

    folds: int = Field(default=2, ge=2, le=20)
    repeats: int = Field(default=1, ge=1, le=1000)
    """Each repeat draws new folds and new initial weights."""
    split: Literal["person", "random", "stratified"] = "person"
    """`person`: no person on both sides (SPI). `random`: the paper's published practice, not person independent."""
    seed: int = Field(default=0, ge=0)
    validation_fraction: float = Field(default=0.0, ge=0.0, le=0.5)
    """Share of the training side that is held out (person-wise if `split: person`) to compute the objective on.
    With 0 the objective is the cross-validated test score, as in the paper: selected on the reported folds."""


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


ModelConfig = Annotated[MlpModel | SvmModel, Field(discriminator="kind")]


class TrainConfig(SpecModel):
    """How a network is trained. An SVM uses `normalize` only."""

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
    stop_at: int | None = Field(default=None, ge=1)
    """Plain early stopping: end after this many epochs, whatever `epochs` says. A control for claims about BDR."""

    @property
    def last_epoch(self) -> int:
        """The epoch training ends at when nothing stops it earlier."""
        return self.epochs if self.stop_at is None else min(self.epochs, self.stop_at)


class NoRemoval(SpecModel):
    """Train on everything."""

    rule: Literal["none"]


class _BdrSettings(SpecModel):
    alpha: float = Field(default=1.0, ge=0.0, le=10.0)
    """Strictness: samples with error at or above mean + alpha * deviation of the candidates go (equation 6)."""
    start: Literal["past_peak"] | Annotated[int, Field(ge=0)] = "past_peak"
    """First epoch at which samples may be removed, or `past_peak`: once the loss variance has risen, peaked and
    fallen to `peak_ratio` of its peak (the original idea; its literal threshold 0.1 fires at once)."""
    peak_ratio: float = Field(default=0.7, gt=0.0, lt=1.0)
    interval: int = Field(default=50, ge=1)
    """Epochs between two rounds of removal."""
    stop_variance: float | None = Field(default=0.01, ge=0.0)
    """Training ends at the first check after a removal at which the loss variance is below this. `null`: never."""
    max_rounds: int | None = Field(default=None, ge=1)
    comparison: Literal[">=", ">"] = ">="
    """`>=` as in Slade & Gedeon 1993; the paper says "greater than"."""
    error: Literal["cross_entropy", "half_sse"] = "cross_entropy"
    min_keep_fraction: float = Field(default=0.5, ge=0.0, le=1.0)
    """Never keep fewer than this share of the training samples."""
    min_per_class: int = Field(default=10, ge=0)
    """Never reduce a class below this many training samples."""


class BdrRemoval(_BdrSettings):
    """Bimodal distribution removal, Slade & Gedeon 1993, paper section 2.4."""

    rule: Literal["bdr"]


class RandomRemoval(_BdrSettings):
    """Control: on every network, removes as many samples as BDR does, at the same epochs, chosen at random, and ends
    when BDR ends. A twin network with the same split and initial weights runs BDR to say how many and when."""

    rule: Literal["random"]


class OracleRemoval(SpecModel):
    """Control: removes exactly the planted wrong labels, at epoch `start`. Needs data that knows them."""

    rule: Literal["oracle"]
    start: int = Field(default=0, ge=0)


RemovalConfig = Annotated[NoRemoval | BdrRemoval | RandomRemoval | OracleRemoval, Field(discriminator="rule")]


class TrialConfig(SpecModel):
    """One complete training job: the base of a sweep file with a trial's parameters put in."""

    data: DataConfig
    protocol: ProtocolConfig = ProtocolConfig()
    model: ModelConfig = MlpModel(kind="mlp")
    train: TrainConfig = TrainConfig()
    removal: RemovalConfig = NoRemoval(rule="none")

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        broken = []
        if isinstance(self.model, SvmModel) and not isinstance(self.removal, NoRemoval):
            broken.append(
                f"removal.rule: {self.removal.rule} needs a model that is trained in epochs, but model.kind is svm. "
                "Use model.kind: mlp, or removal.rule: none."
            )
        start = getattr(self.removal, "start", None)
        if isinstance(start, int) and start >= self.train.last_epoch:
            broken.append(
                f"removal.start: {start} is never reached, because training ends at epoch {self.train.last_epoch}. "
                "Use a smaller removal.start or more train.epochs."
            )
        if self.train.stop_at is not None and self.train.stop_at > self.train.epochs:
            broken.append(
                f"train.stop_at: {self.train.stop_at} lies after train.epochs: {self.train.epochs}. "
                "Use a smaller train.stop_at or leave it out."
            )
        if broken:
            raise ValueError("\n".join(broken))
        return self
