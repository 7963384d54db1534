"""Which samples are removed during training: the `removal` section of a sweep file, one model per `rule`."""

from typing import Annotated, Literal

from pydantic import Field

from fer_sweep.spec.model import SpecModel

Error = Literal["cross_entropy", "half_sse"]


class NoRemoval(SpecModel):
    """Train on everything."""

    rule: Literal["none"]


class OracleRemoval(SpecModel):
    """Control: removes exactly the planted wrong labels, at epoch `start`. Needs data that knows them."""

    rule: Literal["oracle"]
    start: int = Field(default=0, ge=0)


class _Imitable(SpecModel):
    at_random: bool = False
    """Control: on every network as many samples go, at the same epochs, but chosen at random, and training ends when it
    would have. A twin network with the same split and initial weights follows the rule to say how many and when."""


class _Guards(SpecModel):
    min_keep_fraction: float = Field(default=0.5, ge=0.0, le=1.0)
    """Never keep fewer than this share of the training samples."""
    min_per_class: int = Field(default=10, ge=0)
    """Never reduce a class below this many training samples."""


class BdrSettings(_Imitable, _Guards):
    """What BDR and its guarded form share."""

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
    error: Error = "cross_entropy"


class BdrRemoval(BdrSettings):
    """Bimodal distribution removal, Slade & Gedeon 1993, paper section 2.4."""

    rule: Literal["bdr"]


class GuardedRemoval(BdrSettings):
    """BDR that acts only on what is significantly distinguishable (the paper's conclusion asks for it): at a check at
    which the losses have two modes beyond chance, on samples that have stopped learning, and not on a class alone."""

    rule: Literal["guarded"]
    alpha: float = Field(default=0.0, ge=0.0, le=10.0)
    start: Literal["past_peak"] | Annotated[int, Field(ge=0)] = 0
    interval: int = Field(default=10, ge=1)
    trend: float = Field(default=0.5, ge=0.0, lt=1.0)
    """A sample whose error has fallen by more than this share since the check before is still learning: it stays."""
    max_class_share: float = Field(default=0.3, gt=0.0, le=1.0)
    """Never remove more than this share of a class's training samples."""


class LtsRemoval(_Imitable):
    """Least trimmed squares, the comparator of Slade & Gedeon 1993: every `interval` epochs the samples with the
    largest errors are left out until the next time, when they may come back."""

    rule: Literal["lts"]
    share: float = Field(default=0.2, gt=0.0, lt=1.0)
    """Share of the training samples that is left out; has to be known beforehand."""
    start: int = Field(default=0, ge=0)
    interval: int = Field(default=5, ge=1)
    error: Error = "cross_entropy"


class LmsRemoval(SpecModel):
    """Least median of squares, the comparator of Slade & Gedeon 1993: only the sample with the median error is trained
    on (the two in the middle of an even number)."""

    rule: Literal["lms"]
    start: int = Field(default=0, ge=0)
    interval: int = Field(default=1, ge=1)
    """Epochs until the median is looked for again."""
    error: Error = "cross_entropy"


class AbsoluteRemoval(SpecModel):
    """The absolute criterion, the comparator of Slade & Gedeon 1993 after Joines & White 1992: removes nothing, but
    minimizes the sum of |target - output| over the classes, 2 (1 - p) for the probability p of the sample's class. Its
    gradient is that of cross-entropy with each sample weighted by p, so that samples far from their target hardly pull.
    The weights are shares of their sum: the criterion changes what is learnt, not how large a step is."""

    rule: Literal["absolute"]
    start: int = Field(default=0, ge=0)
    """Cross-entropy is minimized before."""
    interval: int = Field(default=1, ge=1)
    """Epochs for which the weights stay; 1 is the criterion itself for full batches."""


class SmallLossRemoval(_Imitable):
    """Small-loss selection (the schedule of co-teaching, Han et al. 2018, for one network, on the training set instead
    of each mini-batch): the share left out rises linearly to `noise_rate` over `ramp` epochs; samples may come back."""

    rule: Literal["small_loss"]
    noise_rate: float = Field(default=0.2, gt=0.0, lt=1.0)
    ramp: int = Field(default=10, ge=1)
    interval: int = Field(default=1, ge=1)
    error: Error = "cross_entropy"


class MixtureRemoval(_Imitable, _Guards):
    """Two normal distributions fitted to the losses (DivideMix, Li et al. 2020): samples that more likely than not
    belong to the one with the higher mean are left out until the next check."""

    rule: Literal["mixture"]
    start: int = Field(default=10, ge=0)
    interval: int = Field(default=10, ge=1)
    posterior: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Samples whose probability of belonging to the lower distribution is at most this go."""


class AumRemoval(_Imitable):
    """Area under the margin (Pleiss et al. 2020): at epoch `start` the samples with the lowest mean margin so far are
    removed. The margin is the logit of the sample's class minus the largest other one."""

    rule: Literal["aum"]
    share: float = Field(default=0.2, gt=0.0, lt=1.0)
    """Share of the training samples that is removed; has to be known beforehand."""
    start: int = Field(default=50, ge=1)
    interval: int = Field(default=1, ge=1)
    """Epochs between two looks at the margins."""


RemovalConfig = Annotated[
    NoRemoval
    | BdrRemoval
    | GuardedRemoval
    | LtsRemoval
    | LmsRemoval
    | AbsoluteRemoval
    | SmallLossRemoval
    | MixtureRemoval
    | AumRemoval
    | OracleRemoval,
    Field(discriminator="rule"),
]


def error_of(removal: SpecModel) -> Error:
    """The error that a rule looks at."""
    error: Error = getattr(removal, "error", "cross_entropy")
    return error


def is_random_control(removal: SpecModel) -> bool:
    """Whether samples go at random, as many as a twin's rule removes."""
    return bool(getattr(removal, "at_random", False))


def first_removal(removal: SpecModel) -> int | None:
    """The first epoch at which a rule may take samples away (or weigh them anew); None if it never does."""
    match removal:
        case BdrSettings(start="past_peak", interval=interval):  # the variance has to rise, and to fall again
            return 2 * interval
        case GuardedRemoval(start=int(first), interval=interval):  # it compares with the check before
            return first + interval
        case SmallLossRemoval(interval=interval):
            return interval
    start: int | None = getattr(removal, "start", None)
    return start
