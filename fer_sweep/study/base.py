"""The base as a point of the search space, and how many trials a sweep file asks for."""

from decimal import Decimal

from fer_sweep.spec import Parameter, SweepSpec, active, contains, grid_size, value_at
from fer_sweep.spec.scalars import same
from fer_sweep.spec.search import Scalar
from fer_sweep.spec.space import extremes_of


def as_written(parameter: Parameter, value: Scalar) -> Scalar:
    """A value as the space writes it, so that equal configurations look equal: the listed choice, the exact multiple
    of q (0.3, not 0.30000000000000004)."""
    if parameter.distribution in ("categorical", "constant"):
        choices = parameter.values or (parameter.value,)
        return next((choice for choice in choices if choice is not None and same(choice, value)), value)
    if parameter.q is None or isinstance(value, bool | str):
        return value
    low, high = extremes_of(parameter)
    step = Decimal(str(parameter.q))
    nearest = Decimal(str(low)) + round((Decimal(value) - Decimal(str(low))) / step) * step
    number = int(nearest) if isinstance(low, int) and isinstance(parameter.q, int) else float(nearest)
    assert not isinstance(low, str)
    assert not isinstance(high, str)
    return min(max(number, low), high)


def base_assignments(spec: SweepSpec) -> dict[str, Scalar]:
    """The base's values of the searched parameters that exist in it."""
    found = {path: value_at(spec.base, path) for path in spec.parameters}
    values = {path: value for path, value in found.items() if value is not None}
    exists = active(spec.parameters, values)
    return {
        path: as_written(spec.parameters[path], value) if contains(spec.parameters[path], value) else value
        for path, value in values.items()
        if path in exists
    }


def base_in_space(spec: SweepSpec) -> bool:
    """Whether the base is a point of the space. If not, it runs as trial 0 all the same, but teaches the sampler
    nothing."""
    base = base_assignments(spec)
    exists = active(spec.parameters, base)
    return bool(exists) and all(path in base and contains(spec.parameters[path], base[path]) for path in exists)


def search_size(spec: SweepSpec) -> int | None:
    """Number of trials after which there is nothing left to propose, the base included; None if that never happens."""
    if not spec.parameters:
        return 1
    points = grid_size(spec.parameters) if spec.method == "grid" else None
    return None if points is None else points + (not base_in_space(spec))


def planned_trials(spec: SweepSpec) -> int | None:
    """Number of trials that end the search: run_cap, or the size of a grid if that is smaller; the base is one of
    them. None when only a budget ends it."""
    caps = [cap for cap in (spec.run_cap, search_size(spec)) if cap is not None]
    return min(caps) if caps else None
