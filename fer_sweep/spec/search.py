"""The search half of a sweep file: W&B's keys, names and meaning, plus what a study needs to be honest."""

from typing import Annotated, Literal

from pydantic import Field

from fer_sweep.spec.model import SpecModel

Scalar = bool | int | float | str
"""A value that a parameter can take: YAML scalars only, because a database stores the choices."""

Distribution = Literal[
    "constant", "categorical", "uniform", "int_uniform", "q_uniform", "log_uniform_values", "q_log_uniform_values"
]


class Parameter(SpecModel):
    """One searched parameter. `distribution` is always resolved: `{min: 0.0, max: 1.0}` became `uniform`.

    categorical:            values, optionally probabilities (same length, sum 1)
    constant:               value
    uniform, int_uniform:   min, max
    q_uniform:              min, max, q (a multiple of q above min)
    log_uniform_values:     min, max > 0, the values themselves (W&B's `log_uniform` has exponents; it is refused)
    q_log_uniform_values:   min, max, q: drawn log-uniformly, rounded to a multiple of q
    """

    distribution: Distribution
    values: tuple[Scalar, ...] | None = Field(default=None, strict=False)
    probabilities: tuple[float, ...] | None = Field(default=None, strict=False)
    value: Scalar | None = None
    min: int | float | None = None
    max: int | float | None = None
    q: int | float | None = None
    when: dict[str, tuple[Scalar, ...]] = Field(default_factory=dict)
    """Other parameter's path -> values for which this one exists (a single value was made a tuple)."""


class Metric(SpecModel):
    """What is optimized. On validation data if protocol.validation_fraction > 0, else on the test folds."""

    name: Literal["accuracy", "macro_f1", "uar"] = "accuracy"
    goal: Literal["maximize", "minimize"] = "maximize"


class EarlyTerminate(SpecModel):
    """Pruning of unpromising trials on the mean over folds and repeats at equal epochs."""

    type: Literal["median", "hyperband", "none"] = "none"
    min_epoch: int | None = Field(default=None, ge=1)
    """No trial is ended before this epoch, nor before the last possible first removal of the search space."""


class Budget(SpecModel):
    """Caps that hold exactly, over restarts too. Any of them ends the search."""

    max_hours: float | None = Field(default=None, gt=0.0)
    max_gpu_hours: float | None = Field(default=None, gt=0.0)
    max_failed: int | None = Field(default=6, ge=1)
    """The study stops, with the reason, when this many trials have failed."""
    max_failed_in_a_row: int | None = Field(default=5, ge=1)
    """The same for trials that failed one after the other."""


class Confirm(SpecModel):
    """After the search: the best configurations and the base run again on splits the search never saw."""

    top_k: int = Field(default=3, ge=1, le=100)
    repeats: int = Field(default=10, ge=2, le=1000)


class Resources(SpecModel):
    """Where trials run."""

    executor: Literal["auto", "inline", "pool", "ray"] = "auto"
    """inline: in this process. pool: in several processes of this machine. ray: on a Ray cluster. auto: ray if one of
    its settings is given, pool if there are several GPUs or `slots` is given."""
    slots: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = "auto"
    """Processes of the pool, or actors on Ray; auto: one for each GPU, or one; on Ray as many as there is room for."""
    trial_timeout: float | None = Field(default=None, gt=0.0)
    """Seconds after which pool and ray end a trial as failed."""
    ray_address: str | None = None
    """HOST:PORT of a Ray cluster; auto: the one of this machine; local: one that starts and ends with the run. Left
    out: what RAY_ADDRESS says, or local."""
    cpus_per_trial: float | None = Field(default=None, gt=0.0, le=1024.0)
    """Cores that Ray sets aside for every slot, also a part of one; left out: 1."""
    gpus_per_trial: float | None = Field(default=None, ge=0.0, le=64.0)
    """GPUs that Ray sets aside for every slot, also a part of one; left out: 1 where there are any, else 0."""
    trials_at_once: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Trials asked together and trained as one batched program."""
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @property
    def on_ray(self) -> bool:
        """Whether trials run on Ray."""
        return self.executor == "ray" or (self.executor == "auto" and bool(self.ray_settings))

    @property
    def ray_settings(self) -> tuple[str, ...]:
        """Those that only Ray knows, as far as they are given."""
        known = ("ray_address", "cpus_per_trial", "gpus_per_trial")
        return tuple(name for name in known if getattr(self, name) is not None)
