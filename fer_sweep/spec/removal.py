"""Which samples are removed during training: the `removal` section of a sweep file, one model per `rule`."""

from typing import Annotated, Literal

from pydantic import Field

from fer_sweep.spec.model import SpecModel


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
