"""Early termination: when a trial is compared with the others, and by which of Optuna's pruners."""

import math
import warnings
from dataclasses import dataclass

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner

from fer_sweep.spec import SweepSpec
from fer_sweep.training.records import EpochReport

COMPARISONS = 20
"""A trial reports to the pruner at most about this many times: each report is a database commit."""


@dataclass(frozen=True)
class PruningPlan:
    """Epochs at which trials are compared (equal for all trials), and from when on.

    Removal changes the loss and the number of samples abruptly, so no trial is ended before every configuration of the
    space has had its first removal: not before `floor`, and where removal starts by the loss variance
    (`wait_for_removal`), not before this trial has removed something.
    """

    epochs: tuple[int, ...]
    floor: int
    wait_for_removal: bool

    def applies(self, report: EpochReport, initial_samples: float) -> bool:
        """Whether a report may be compared. initial_samples: mean active samples at epoch 0."""
        if report.epoch not in self.epochs or report.epoch == report.last_epoch:
            return False
        return not self.wait_for_removal or report.active_samples < initial_samples


def pruning_plan(spec: SweepSpec) -> PruningPlan | None:
    """When to compare trials; None when the sweep file says `early_terminate: none`."""
    if spec.early_terminate.type == "none":
        return None
    longest = int(_largest(spec, "train.epochs", spec.train.epochs))
    starts = _values(spec, "removal.start", getattr(spec.removal, "start", 0))
    floor = max([spec.early_terminate.min_epoch or 1, *(int(s) for s in starts if isinstance(s, int | float))])
    every = max(1, math.ceil(longest / COMPARISONS))
    return PruningPlan(
        epochs=tuple(epoch for epoch in range(every, longest, every) if epoch >= floor),
        floor=floor,
        wait_for_removal="past_peak" in starts,
    )


def pruner_for(spec: SweepSpec, plan: PruningPlan | None) -> BasePruner:
    """Optuna's pruner for a sweep file."""
    if plan is None or not plan.epochs:
        return NopPruner()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if spec.early_terminate.type == "hyperband":
            return HyperbandPruner(min_resource=plan.epochs[0], max_resource=plan.epochs[-1], reduction_factor=3)
        return MedianPruner(n_startup_trials=5, n_warmup_steps=0)


def _values(spec: SweepSpec, path: str, base: object) -> list[object]:
    parameter = spec.parameters.get(path)
    if parameter is None:
        return [base]
    return [base, *(parameter.values or ()), parameter.value, parameter.min, parameter.max]


def _largest(spec: SweepSpec, path: str, base: int) -> float:
    return max(float(v) for v in _values(spec, path, base) if isinstance(v, int | float))
