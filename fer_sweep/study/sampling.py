"""From the search half of a sweep file to Optuna: distributions, samplers, and the assignments they propose."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from fer_sweep.spec import Parameter, SweepSpec, active, in_topological_order
from fer_sweep.spec.search import Scalar
from fer_sweep.spec.space import extremes_of
from fer_sweep.study.base import as_written
from fer_sweep.training.seeds import derive_seed

STARTUP_TRIALS = 10
"""Finished trials that TPE wants before it models anything (Optuna's default); until then it draws at random."""

Weights = Mapping[str, tuple[float, ...]]


def _weighted(random: np.random.Generator, distribution: BaseDistribution, weights: tuple[float, ...]) -> Any:
    assert isinstance(distribution, CategoricalDistribution)
    shares = np.array(weights) / math.fsum(weights)  # a sweep file may be off by 1e-6, numpy wants 1e-8
    return distribution.choices[random.choice(len(shares), p=shares)]


class _WeightedRandomSampler(RandomSampler):
    """Random search that honours `probabilities` of categorical parameters."""

    def __init__(self, *, seed: int, weights: Weights) -> None:
        super().__init__(seed=seed)
        self._weights = weights
        self._random = np.random.default_rng(seed)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if param_name in self._weights:
            return _weighted(self._random, param_distribution, self._weights[param_name])
        return super().sample_independent(study, trial, param_name, param_distribution)


class _WeightedTpeSampler(TPESampler):
    """TPE whose random start honours `probabilities` of categorical parameters."""

    def __init__(self, *, seed: int, weights: Weights) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # group: conditional parameters, and a base outside the space, must not hide the others from the model
            super().__init__(n_startup_trials=STARTUP_TRIALS, multivariate=True, group=True, seed=seed)
        self._weights = weights
        self._random = np.random.default_rng(seed)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        finished = (TrialState.COMPLETE, TrialState.PRUNED)
        if param_name in self._weights and len(study.get_trials(deepcopy=False, states=finished)) < STARTUP_TRIALS:
            return _weighted(self._random, param_distribution, self._weights[param_name])
        return super().sample_independent(study, trial, param_name, param_distribution)


class _SobolSampler(BaseSampler):
    """One point of a scrambled Sobol sequence with a dimension for every parameter, conditional ones included.

    Optuna's QMCSampler learns its space from the first finished trial, so that a base outside the space, or a first
    batch, would turn it into random search; and it counts its points in the database, so that resuming skips some.
    """

    def __init__(self, *, seed: int, number: int, paths: tuple[str, ...]) -> None:
        from scipy.stats import qmc  # takes half a second to load, and only this method wants it

        sequence = qmc.Sobol(d=len(paths), scramble=True, rng=np.random.default_rng(seed))
        if number > 0:
            sequence.fast_forward(number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "balance needs a power of 2": the caller's run_cap decides
            self._point = dict(zip(paths, sequence.random(1)[0].tolist(), strict=True))

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        share = min(self._point[param_name], math.nextafter(1.0, 0.0))
        match param_distribution:
            case CategoricalDistribution(choices=choices):
                return choices[int(share * len(choices))]
            case IntDistribution(low=low, high=high, step=step):
                return low + step * int(share * ((high - low) // step + 1))
            case FloatDistribution(low=low, high=high, step=step) if step is not None:
                return min(high, low + step * int(share * (round((high - low) / step) + 1)))
            case FloatDistribution(low=low, high=high, log=True):
                return min(max(math.exp(math.log(low) + share * (math.log(high) - math.log(low))), low), high)
        assert isinstance(param_distribution, FloatDistribution)
        return param_distribution.low + share * (param_distribution.high - param_distribution.low)


def sampler_for(spec: SweepSpec, number: int) -> BaseSampler:
    """The sampler that proposes trial `number`. Its seed is a function of (study seed, number), so a resumed study
    proposes what an uninterrupted one would have."""
    seed = derive_seed(spec.seed, "sampler", number) % 2**32
    weights = {path: p.probabilities for path, p in spec.parameters.items() if p.probabilities is not None}
    if spec.method == "qmc" and spec.parameters:
        one_sequence = derive_seed(spec.seed, "qmc") % 2**32
        return _SobolSampler(seed=one_sequence, number=number, paths=tuple(spec.parameters))
    if spec.method == "bayes":
        return _WeightedTpeSampler(seed=seed, weights=weights)
    return _WeightedRandomSampler(seed=seed, weights=weights)


def suggest(trial: optuna.Trial, parameters: Mapping[str, Parameter]) -> dict[str, Scalar]:
    """Ask the trial for every parameter that exists given the others; returns path -> value."""
    assignments: dict[str, Scalar] = {}
    for path in in_topological_order(parameters):
        if path in active(parameters, assignments):
            assignments[path] = as_written(parameters[path], _suggest_one(trial, path, parameters[path]))
    return {path: assignments[path] for path in parameters if path in assignments}


def _suggest_one(trial: optuna.Trial, path: str, parameter: Parameter) -> Scalar:
    low, high, step = parameter.min, parameter.max, parameter.q
    match parameter.distribution:
        case "constant":
            assert parameter.value is not None
            return parameter.value
        case "categorical":
            assert parameter.values is not None
            choice = trial.suggest_categorical(path, parameter.values)
            assert choice is not None
            return choice
    assert low is not None
    assert high is not None
    match parameter.distribution:
        case "int_uniform":
            return trial.suggest_int(path, int(low), int(high))
        case "q_uniform":
            assert step is not None
            last = extremes_of(parameter)[1]
            if isinstance(low, int) and isinstance(step, int):
                return trial.suggest_int(path, low, int(last), step=step)
            return trial.suggest_float(path, low, float(last), step=step)
        case "log_uniform_values" | "q_log_uniform_values":  # as_written rounds the latter
            return trial.suggest_float(path, low, high, log=True)
    return trial.suggest_float(path, low, high)
