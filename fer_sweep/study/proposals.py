"""Proposals: which point of the space a trial gets. Trial 0 is the base, a grid is a list, all else is sampled."""

from itertools import islice

import optuna

from fer_sweep.spec import SweepSpec, grid
from fer_sweep.spec.search import Scalar
from fer_sweep.study.base import base_assignments, base_in_space
from fer_sweep.study.sampling import sampler_for, suggest


class Proposer:
    """Asks an Optuna study for one trial after another."""

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec
        self._base = base_assignments(spec)
        self._starts_with_base = base_in_space(spec)

    def ask(self, study: optuna.Study) -> tuple[int, dict[str, Scalar]]:
        """The next trial: its number and assignments. A function of the sweep file, the number and the study's trials
        so far."""
        number = len(study.get_trials(deepcopy=False))
        study.sampler = sampler_for(self._spec, number)
        point = self._given(number)
        if point is not None:
            study.enqueue_trial(point)
        trial = study.ask()
        if number == 0 and not self._starts_with_base:
            return 0, {}
        return number, suggest(trial, self._spec.parameters)

    def _given(self, number: int) -> dict[str, Scalar] | None:
        if number == 0:
            return self._base if self._starts_with_base else None
        if self._spec.method != "grid":
            return None
        points = (p for p in grid(self._spec.parameters) if not (self._starts_with_base and p == self._base))
        return next(islice(points, number - 1, None), None)
