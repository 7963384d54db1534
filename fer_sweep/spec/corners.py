"""Builds the configurations at the corners of the search space, so that a search does not meet an invalid one late."""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fer_sweep.spec.configuration import build
from fer_sweep.spec.parameters import ROOT
from fer_sweep.spec.problems import Problem, Problems, listed
from fer_sweep.spec.scalars import shown
from fer_sweep.spec.search import Parameter, Scalar
from fer_sweep.spec.space import active, extremes_of, grid, grid_size, in_topological_order
from fer_sweep.spec.trial import TrialConfig

MOST_CORNERS = 256
"""Spaces with more corners are checked along their edges and at as many corners drawn at random (always the same)."""


@dataclass
class _Failure:
    problem: Problem
    assignments: dict[str, Scalar]
    alike: int = 0


def check_corners(base: TrialConfig, parameters: Mapping[str, Parameter], problems: Problems) -> None:
    """Add one problem per rule that a combination of extreme values breaks, naming the values that do so together."""
    failures: dict[tuple[str, str, tuple[str, ...]], _Failure] = {}
    for assignments in _corners(parameters):
        for problem in _problems_of(base, assignments):
            needed = _shrunk(base, assignments, problem)
            rule = re.sub(r"[-+.\d]+", "#", problem.message)
            known = failures.setdefault((problem.path, rule, tuple(needed)), _Failure(problem, needed))
            known.alike += needed != known.assignments
    for failure in failures.values():
        problem = failure.problem
        values = listed((f"{path} = {shown(value)}" for path, value in failure.assignments.items()), word="and")
        more = " Other values of these parameters fail alike." if failure.alike else ""
        first = next(iter(failure.assignments))
        problems.add(
            (ROOT, first), f"with {values}: {problem.path}: {problem.message} {problem.allowed}".strip() + more
        )


def corner_trials(
    base: TrialConfig, parameters: Mapping[str, Parameter]
) -> Iterator[tuple[Mapping[str, Scalar], TrialConfig]]:
    """The base, and the valid configurations at the corners of the space; each with what was assigned."""
    yield {}, base
    for assignments in _corners(parameters):
        config = build(base, assignments, Problems())
        if config is not None:
            yield assignments, config


def _problems_of(base: TrialConfig, assignments: Mapping[str, Scalar]) -> list[Problem]:
    problems = Problems()
    build(base, assignments, problems)
    return problems.found


def _shrunk(base: TrialConfig, assignments: dict[str, Scalar], problem: Problem) -> dict[str, Scalar]:
    """The part of `assignments` without which the problem would not arise in the same words."""
    needed = dict(assignments)
    for path in assignments:
        fewer = {other: value for other, value in needed.items() if other != path}
        if problem in _problems_of(base, fewer):
            needed = fewer
    return needed


def _corners(parameters: Mapping[str, Parameter]) -> Iterator[dict[str, Scalar]]:
    extremes = {path: extremes_of(parameter) for path, parameter in parameters.items()}
    corners = {
        path: Parameter(distribution="categorical", values=extremes[path], when=parameter.when)
        for path, parameter in parameters.items()
    }
    size = grid_size(corners)
    if size is not None and size <= MOST_CORNERS:
        yield from grid(corners)
        return
    for path, values in extremes.items():
        for value in values:
            fixed = {**_conditions(parameters, path), path: value}
            yield _chosen(parameters, extremes, fixed, pick=lambda choices: choices[0])
            yield _chosen(parameters, extremes, fixed, pick=lambda choices: choices[-1])
    draw = random.Random(0)
    for _ in range(MOST_CORNERS):
        yield _chosen(parameters, extremes, {}, pick=draw.choice)


def _chosen(
    parameters: Mapping[str, Parameter],
    extremes: Mapping[str, Sequence[Scalar]],
    fixed: Mapping[str, Scalar],
    *,
    pick: Callable[[Sequence[Scalar]], Scalar],
) -> dict[str, Scalar]:
    assignments: dict[str, Scalar] = {}
    for path in in_topological_order(parameters):
        if path in active(parameters, assignments):
            assignments[path] = fixed[path] if path in fixed else pick(extremes[path])
    return assignments


def _conditions(parameters: Mapping[str, Parameter], path: str) -> dict[str, Scalar]:
    """Values of other parameters with which the one at `path` exists."""
    fixed: dict[str, Scalar] = {}
    for parent, values in parameters[path].when.items():
        fixed |= {**_conditions(parameters, parent), parent: values[0]}
    return fixed
