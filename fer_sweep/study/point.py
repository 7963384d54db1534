"""A point of a search space that a person names: checked at once, completed by the base."""

from collections.abc import Sequence

from fer_sweep.spec import Parameter, SweepSpec, active, apply, contains, in_topological_order, value_at
from fer_sweep.spec.problems import Problems, listed, nearest
from fer_sweep.spec.scalars import resolve_plain, shown
from fer_sweep.spec.search import Scalar
from fer_sweep.study.base import as_written


def point_from(spec: SweepSpec, texts: Sequence[str]) -> dict[str, Scalar]:
    """The assignments that texts such as `train.learning_rate=0.01` name; what they leave out is as in the base.

    Raises SpecError with all that is wrong: no searched parameter, a value outside of its space, a parameter that does
    not exist with the others' values, a base that cannot fill a gap, a configuration that is not valid.
    """
    problems = Problems()
    named = _named(spec, texts, problems)
    problems.raise_any()
    point: dict[str, Scalar] = {}
    for path in in_topological_order(spec.parameters):
        parameter = spec.parameters[path]
        if path not in active(spec.parameters, point):
            if path in named:
                needs = listed(
                    (f"{parent} is {listed(map(shown, v))}" for parent, v in parameter.when.items()), word="and"
                )
                problems.add((path,), f"exists only if {needs}")
        else:
            value = named.get(path, value_at(spec.base, path))
            if value is None or not contains(parameter, value):
                message = f"must be named, because the base's value ({shown(value)}) does not lie in the space"
                problems.add((path,), message, allowed=_allowed(parameter))
            else:
                point[path] = as_written(parameter, value)
    problems.raise_any()
    apply(spec.base, point)
    return {path: point[path] for path in spec.parameters if path in point}


def _named(spec: SweepSpec, texts: Sequence[str], problems: Problems) -> dict[str, Scalar]:
    named: dict[str, Scalar] = {}
    for text in texts:
        path, equals, written = (part.strip() for part in text.partition("="))
        parameter = spec.parameters.get(path)
        if not equals or not path:
            problems.add((text,), "is no assignment; write PATH=VALUE, such as train.learning_rate=0.01")
        elif parameter is None:
            known = (
                f"Searched are {listed(spec.parameters, word='and')}." if spec.parameters else "Nothing is searched."
            )
            problems.add(
                (path,), f"is not searched by study {spec.name}", nearest=nearest(path, spec.parameters), allowed=known
            )
        else:
            value = resolve_plain(written)
            if value is None or not contains(parameter, value):
                problems.add((path,), f"{shown(value)} does not lie in the space", allowed=_allowed(parameter))
            else:
                named[path] = value
    return named


def _allowed(parameter: Parameter) -> str:
    if parameter.distribution in ("categorical", "constant"):
        choices = parameter.values or (parameter.value,)
        return f"Allowed: {listed(shown(choice) for choice in choices)}."
    whole = "whole numbers " if parameter.distribution == "int_uniform" else ""
    steps = "" if parameter.q is None else f" in steps of {parameter.q}"
    return f"Allowed: {whole}from {parameter.min} to {parameter.max}{steps}."
