"""Proposals: which point of the space a trial gets. Trial 0 is the base, a grid is a list, all else is sampled."""

from collections.abc import Iterator
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
        self._points, self._passed = self._grid(), 0
        """The rest of a grid, and how many of its points have been given."""

    def ask(self, study: optuna.Study, number: int) -> dict[str, Scalar]:
        """The assignments of the study's next trial, whose number this is. A function of the sweep file, the number
        and the study's trials so far."""
        study.sampler = sampler_for(self._spec, number)
        point = self._given(number)
        if point is not None:
            study.enqueue_trial(point)
        trial = study.ask()
        if number == 0 and not self._starts_with_base:
            return {}
        return suggest(trial, self._spec.parameters)

    def _given(self, number: int) -> dict[str, Scalar] | None:
        if number == 0:
            return self._base if self._starts_with_base else None
        if self._spec.method != "grid":
            return None
        if number <= self._passed:  # back to an earlier one
            self._points, self._passed = self._grid(), 0
        point = next(islice(self._points, number - 1 - self._passed, None), None)
        self._passed = number
        return point

    def _grid(self) -> Iterator[dict[str, Scalar]]:
        """The points of a grid, in the order of their trials, without the base."""
        return (p for p in grid(self._spec.parameters) if not (self._starts_with_base and p == self._base))
