"""Early termination: when a trial is compared with the others, and by which of Optuna's pruners."""

import math
import warnings
from dataclasses import dataclass

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner

from fer_sweep.spec import SweepSpec, TrialConfig, corner_trials
from fer_sweep.spec.removal import first_removal
from fer_sweep.training.records import EpochReport

COMPARISONS = 20
"""A trial reports to the pruner at most about this many times: each report is a database commit."""


@dataclass(frozen=True)
class PruningPlan:
    """Epochs at which trials are compared (equal for all trials), and from when on.

    Removal changes the loss and the number of samples abruptly, so no trial is ended before every configuration of the
    space could have had its first removal: not before `floor`, and a trial whose removal starts by its loss variance
    not before one of its networks has removed something.
    """

    epochs: tuple[int, ...]
    floor: int

    def applies(self, config: TrialConfig, report: EpochReport, initial_samples: float) -> bool:
        """Whether a report may be compared. initial_samples: mean active samples at epoch 0."""
        if report.epoch not in self.epochs or report.epoch == report.last_epoch:
            return False
        return getattr(config.removal, "start", 0) != "past_peak" or report.active_samples < initial_samples


def pruning_plan(spec: SweepSpec) -> PruningPlan | None:
    """When to compare trials; None when the sweep file says `early_terminate: none`."""
    if spec.early_terminate.type == "none":
        return None
    longest = _largest(_values(spec, "train.epochs", spec.train.epochs))
    if spec.train.stop_at is not None:
        longest = min(longest, _largest(_values(spec, "train.stop_at", spec.train.stop_at)))
    floor = max(spec.early_terminate.min_epoch or 1, _largest(_first_removals(spec)))
    every = max(1, math.ceil(longest / COMPARISONS))
    return PruningPlan(epochs=tuple(e for e in range(every, longest, every) if e >= floor), floor=floor)


def pruner_for(spec: SweepSpec, plan: PruningPlan | None) -> BasePruner:
    """Optuna's pruner for a sweep file."""
    if plan is None or not plan.epochs:
        return NopPruner()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if spec.early_terminate.type == "hyperband":
            return HyperbandPruner(min_resource=plan.epochs[0], max_resource=plan.epochs[-1], reduction_factor=3)
        return MedianPruner(n_startup_trials=5, n_warmup_steps=0)


def _first_removals(spec: SweepSpec) -> list[object]:
    """Earliest removals of the configurations at the corners of the space, of those that live to see them."""
    configs = (config for _, config in corner_trials(spec.base, spec.parameters))
    found = ((first_removal(config.removal), config.train.last_epoch) for config in configs)
    return [first for first, last in found if first is not None and first < last]


def _values(spec: SweepSpec, path: str, base: object) -> list[object]:
    parameter = spec.parameters.get(path)
    if parameter is None:
        return [base]
    return [base, *(parameter.values or ()), parameter.value, parameter.min, parameter.max]


def _largest(values: list[object]) -> int:
    return math.floor(max((v for v in values if isinstance(v, int | float)), default=0))
