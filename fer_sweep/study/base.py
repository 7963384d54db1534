"""The base as a point of the search space, and how many trials a sweep file asks for."""

from fer_sweep.spec import SweepSpec, active, contains, grid_size, value_at
from fer_sweep.spec.search import Scalar


def base_assignments(spec: SweepSpec) -> dict[str, Scalar]:
    """The base's values of the searched parameters that exist in it."""
    found = {path: value_at(spec.base, path) for path in spec.parameters}
    values = {path: value for path, value in found.items() if value is not None}
    exists = active(spec.parameters, values)
    return {path: value for path, value in values.items() if path in exists}


def base_in_space(spec: SweepSpec) -> bool:
    """Whether the base is a point of the space. If not, it runs as trial 0 all the same, but teaches the sampler
    nothing."""
    base = base_assignments(spec)
    exists = active(spec.parameters, base)
    return bool(exists) and all(path in base and contains(spec.parameters[path], base[path]) for path in exists)


def planned_trials(spec: SweepSpec) -> int | None:
    """Number of trials that end the search: run_cap, or the size of a grid if that is smaller; the base is one of
    them. None when only a budget ends it."""
    size: int | None = None
    if not spec.parameters:
        size = 1
    elif spec.method == "grid":
        points = grid_size(spec.parameters)
        size = None if points is None else points + (not base_in_space(spec))
    caps = [cap for cap in (spec.run_cap, size) if cap is not None]
    return min(caps) if caps else None
