"""From the search half of a sweep file to Optuna: distributions, samplers, and the assignments they propose."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler

from fer_sweep.spec import Parameter, SweepSpec, active, in_topological_order
from fer_sweep.spec.search import Scalar
from fer_sweep.training.seeds import derive_seed

STARTUP_TRIALS = 10
"""Trials that TPE draws at random before it models anything (Optuna's default)."""


class _WeightedRandomSampler(RandomSampler):
    """Random search that honours `probabilities` of categorical parameters."""

    def __init__(self, *, seed: int, weights: Mapping[str, tuple[float, ...]]) -> None:
        super().__init__(seed=seed)
        self._weights = weights
        self._random = np.random.default_rng(seed)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        weights = self._weights.get(param_name)
        if weights is None:
            return super().sample_independent(study, trial, param_name, param_distribution)
        assert isinstance(param_distribution, optuna.distributions.CategoricalDistribution)
        return param_distribution.choices[self._random.choice(len(weights), p=weights)]


def sampler_for(spec: SweepSpec, number: int) -> BaseSampler:
    """The sampler that proposes trial `number`. Its seed is a function of (study seed, number), so a resumed study
    proposes what an uninterrupted one would have."""
    seed = derive_seed(spec.seed, "sampler", number) % 2**32
    weights = {path: p.probabilities for path, p in spec.parameters.items() if p.probabilities is not None}
    weighted = _WeightedRandomSampler(seed=seed, weights=weights)
    if spec.method == "qmc":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return QMCSampler(
                scramble=True,
                seed=derive_seed(spec.seed, "qmc") % 2**32,  # one sequence for the whole study
                independent_sampler=weighted,
                warn_independent_sampling=False,
            )
    if spec.method == "bayes" and not (weights and number <= STARTUP_TRIALS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # group: conditional parameters, and a base outside the space, must not hide the others from the model
            return TPESampler(n_startup_trials=STARTUP_TRIALS, multivariate=True, group=True, seed=seed)
    return weighted


def suggest(trial: optuna.Trial, parameters: Mapping[str, Parameter]) -> dict[str, Scalar]:
    """Ask the trial for every parameter that exists given the others; returns path -> value."""
    assignments: dict[str, Scalar] = {}
    for path in in_topological_order(parameters):
        if path in active(parameters, assignments):
            assignments[path] = _suggest_one(trial, path, parameters[path])
    return {path: assignments[path] for path in parameters if path in assignments}


def _suggest_one(trial: optuna.Trial, path: str, parameter: Parameter) -> Scalar:
    low, high, step = parameter.min, parameter.max, parameter.q
    match parameter.distribution:
        case "constant":
            assert parameter.value is not None
            return parameter.value
        case "categorical":
            assert parameter.values is not None
            value: Scalar = trial.suggest_categorical(path, parameter.values)
            return value
    assert low is not None and high is not None
    match parameter.distribution:
        case "int_uniform":
            return trial.suggest_int(path, int(low), int(high))
        case "q_uniform":
            assert step is not None
            steps = math.floor((high - low) / step + 1e-9)
            if isinstance(low, int) and isinstance(step, int):
                return trial.suggest_int(path, low, low + steps * step, step=step)
            return trial.suggest_float(path, low, low + steps * step, step=step)
        case "log_uniform_values":
            return trial.suggest_float(path, low, high, log=True)
        case "q_log_uniform_values":
            assert step is not None
            drawn = trial.suggest_float(path, low, high, log=True)
            rounded = min(max(round(drawn / step), math.ceil(low / step)), math.floor(high / step)) * step
            return int(rounded) if isinstance(step, int) else rounded
    return trial.suggest_float(path, low, high)
