"""The search space: which parameters exist, which values they take, and the grid they span."""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from decimal import Decimal

from fer_sweep.spec.scalars import same
from fer_sweep.spec.search import Parameter, Scalar

_TOLERANCE = 1e-6
"""Distance from a multiple of q, in steps, that counts as rounding error."""


def in_topological_order(parameters: Mapping[str, Parameter]) -> tuple[str, ...]:
    """The parameters' paths with those named in a `when` before those that have it, else in file order."""
    ordered: dict[str, None] = {}

    def visit(path: str) -> None:
        if path not in ordered and path in parameters:
            for parent in parameters[path].when:
                visit(parent)
            ordered[path] = None

    for path in parameters:
        visit(path)
    return tuple(ordered)


def active(parameters: Mapping[str, Parameter], assignments: Mapping[str, Scalar]) -> frozenset[str]:
    """Paths of the parameters that exist given the others' values: every `when` names a parameter that exists and has
    one of the values asked for. A parameter's own value is not needed."""
    exist: set[str] = set()
    for path in in_topological_order(parameters):
        if _exists(parameters[path], exist, assignments):
            exist.add(path)
    return frozenset(exist)


def _exists(parameter: Parameter, exist: Container[str], assignments: Mapping[str, Scalar]) -> bool:
    return all(
        parent in exist and parent in assignments and any(same(assignments[parent], value) for value in values)
        for parent, values in parameter.when.items()
    )


def contains(parameter: Parameter, value: Scalar) -> bool:
    """Whether `value` lies in the parameter's domain; multiples of q may be off by rounding."""
    if parameter.distribution in ("categorical", "constant"):
        return any(same(value, choice) for choice in _choices(parameter))
    if isinstance(value, bool | str):
        return False
    low, high = _range(parameter)
    slack = 0.0 if parameter.q is None else _TOLERANCE * parameter.q
    if not low - slack <= value <= high + slack:
        return False
    if parameter.distribution == "int_uniform":
        return float(value).is_integer()
    if parameter.q is None:
        return True
    origin = low if parameter.distribution == "q_uniform" else 0
    steps = (value - origin) / parameter.q
    return abs(steps - round(steps)) <= _TOLERANCE


def size_of(parameter: Parameter) -> int | None:
    """How many values a parameter can take; None if there is a continuum."""
    if parameter.distribution in ("uniform", "log_uniform_values"):
        return None
    return len(_choices(parameter)) if parameter.q is None else len(_multiples(parameter))


def values_of(parameter: Parameter) -> Iterator[Scalar]:
    """All values of a parameter that is not continuous, ascending or as listed."""
    if parameter.q is None:
        yield from _choices(parameter)
        return
    for step in _multiples(parameter):
        yield _multiple(parameter, step)


def extremes_of(parameter: Parameter) -> tuple[Scalar, ...]:
    """The values at the edges of a parameter's domain: lowest and highest, or all that are listed."""
    if parameter.distribution in ("categorical", "constant"):
        return tuple(_choices(parameter))
    if parameter.q is None:
        return _range(parameter)
    steps = _multiples(parameter)
    return (_multiple(parameter, steps[0]), _multiple(parameter, steps[-1]))


def grid(parameters: Mapping[str, Parameter]) -> Iterator[dict[str, Scalar]]:
    """All combinations, each once: file order, the last parameter varies fastest, parameters whose `when` does not
    hold are left out. No parameter may be continuous."""
    order = in_topological_order(parameters)

    def extend(position: int, chosen: dict[str, Scalar]) -> Iterator[dict[str, Scalar]]:
        if position == len(order):
            yield {path: chosen[path] for path in parameters if path in chosen}
        elif not _exists(parameters[order[position]], chosen, chosen):
            yield from extend(position + 1, chosen)
        else:
            for value in values_of(parameters[order[position]]):
                yield from extend(position + 1, {**chosen, order[position]: value})

    yield from extend(0, {})


def grid_size(parameters: Mapping[str, Parameter]) -> int | None:
    """Number of different assignments in the space; None if a parameter is continuous."""
    sizes = {path: size_of(parameter) for path, parameter in parameters.items()}
    parents = {parent for parameter in parameters.values() for parent in parameter.when}
    conditions = {path: parameter for path, parameter in parameters.items() if path in parents}
    total = 0
    for chosen in grid(conditions):
        exist = active(parameters, chosen) - parents
        counts = [sizes[path] for path in exist]
        if None in counts:
            return None
        total += math.prod(count for count in counts if count is not None)
    return total


def _choices(parameter: Parameter) -> Sequence[Scalar]:
    match parameter.distribution:
        case "constant":
            assert parameter.value is not None
            return (parameter.value,)
        case "categorical":
            assert parameter.values is not None
            return parameter.values
    low, high = _range(parameter)
    return range(math.ceil(low), math.floor(high) + 1)


def _multiples(parameter: Parameter) -> range:
    """Steps from the origin (min, or zero for q_log_uniform_values) that stay between min and max."""
    low, high = _range(parameter)
    assert parameter.q is not None
    if parameter.distribution == "q_uniform":
        return range(math.floor((high - low) / parameter.q + _TOLERANCE) + 1)
    first, last = math.ceil(low / parameter.q - _TOLERANCE), math.floor(high / parameter.q + _TOLERANCE)
    return range(first, last + 1)


def _multiple(parameter: Parameter, step: int) -> int | float:
    origin = parameter.min if parameter.distribution == "q_uniform" else 0
    # decimals, so that 0.1 + 2 * 0.1 is the 0.3 that people write
    exact = Decimal(str(origin)) + step * Decimal(str(parameter.q))
    return int(exact) if isinstance(origin, int) and isinstance(parameter.q, int) else float(exact)


def _range(parameter: Parameter) -> tuple[int | float, int | float]:
    assert parameter.min is not None
    assert parameter.max is not None
    return parameter.min, parameter.max
