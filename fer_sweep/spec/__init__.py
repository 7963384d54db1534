"""YAML in, frozen SweepSpec out. Nothing here imports torch, optuna or mlflow."""

from fer_sweep.spec.configuration import apply, flatten, on_data_of, value_at
from fer_sweep.spec.corners import corner_trials
from fer_sweep.spec.dump import as_written, to_yaml
from fer_sweep.spec.load import load_kept, load_sweep
from fer_sweep.spec.reach import resnets_reached
from fer_sweep.spec.schema import json_schema
from fer_sweep.spec.search import Parameter, Scalar
from fer_sweep.spec.space import active, contains, grid, grid_size, in_topological_order, values_of
from fer_sweep.spec.sweep import SweepSpec
from fer_sweep.spec.trial import TrialConfig

__all__ = [
    "Parameter",
    "Scalar",
    "SweepSpec",
    "TrialConfig",
    "active",
    "apply",
    "as_written",
    "contains",
    "corner_trials",
    "flatten",
    "grid",
    "grid_size",
    "in_topological_order",
    "json_schema",
    "load_kept",
    "load_sweep",
    "on_data_of",
    "resnets_reached",
    "to_yaml",
    "value_at",
    "values_of",
]
