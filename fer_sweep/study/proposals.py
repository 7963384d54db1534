"""Proposals: which point of the space a trial gets. Trial 0 is the base, a grid is a list, all else is sampled."""

from collections.abc import Iterator, Mapping
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

    def ask(self, study: optuna.Study, number: int, position: int) -> dict[str, Scalar]:
        """The assignments of the study's next trial, whose number this is. position: how many the method has proposed
        before. A function of the sweep file, the two and the study's trials so far."""
        study.sampler = sampler_for(self._spec, position if self._spec.method == "qmc" else number)
        point = self._given(position)
        if point is not None:
            study.enqueue_trial(point)
        trial = study.ask()
        if number == 0 and not self._starts_with_base:
            return {}
        return suggest(trial, self._spec.parameters)

    def take(self, study: optuna.Study, number: int, point: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Let the study's next trial have these assignments, whoever proposed them."""
        study.sampler = sampler_for(self._spec, number)
        study.enqueue_trial(dict(point))
        trial = study.ask()
        return suggest(trial, self._spec.parameters) if point else {}  # a base outside the space has none

    def _given(self, position: int) -> dict[str, Scalar] | None:
        if position == 0:
            return self._base if self._starts_with_base else None
        if self._spec.method != "grid":
            return None
        if position <= self._passed:  # back to an earlier one
            self._points, self._passed = self._grid(), 0
        point = next(islice(self._points, position - 1 - self._passed, None), None)
        self._passed = position
        return point

    def _grid(self) -> Iterator[dict[str, Scalar]]:
        """The points of a grid, in the order of their trials, without the base."""
        return (p for p in grid(self._spec.parameters) if not (self._starts_with_base and p == self._base))
