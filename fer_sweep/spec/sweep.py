"""SweepSpec: a whole sweep file, parsed and frozen."""

from typing import Literal

from pydantic import Field

from fer_sweep.spec.search import Budget, Confirm, EarlyTerminate, Metric, Parameter, Resources
from fer_sweep.spec.trial import TrialConfig


class SweepSpec(TrialConfig):
    """A sweep file: the base (data to removal: a runnable trial) and the search."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    description: str = ""
    method: Literal["bayes", "random", "grid", "qmc"] = "bayes"
    metric: Metric = Metric()
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    early_terminate: EarlyTerminate = EarlyTerminate()
    run_cap: int | None = Field(default=None, ge=1, le=1_000_000)
    """Number of trials, the base (trial 0) included."""
    budget: Budget = Budget()
    duplicates: Literal["reuse", "skip", "replicate"] = "reuse"
    """A proposal equal to a finished trial: `reuse` its result (it counts), `skip` it (it does not count), or
    `replicate` it with new initial weights."""
    confirm: Confirm | None = None
    resources: Resources = Resources()
    seed: int = Field(default=0, ge=0)
    """Seed of the search and of all initial weights; the splits depend on protocol.seed alone."""

    @property
    def base(self) -> TrialConfig:
        """The base half alone: the configuration of trial 0."""
        return TrialConfig(**{name: getattr(self, name) for name in TrialConfig.model_fields})
