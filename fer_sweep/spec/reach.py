"""Which pretrained networks the trials of a sweep start from, so that lacking files are told before the first trial."""

from collections.abc import Mapping

from fer_sweep.spec.models import ResnetModel
from fer_sweep.spec.search import Parameter, Scalar
from fer_sweep.spec.space import grid
from fer_sweep.spec.sweep import SweepSpec

_DECIDING = ("model.kind", "model.depth", "model.weights")


def resnets_reached(spec: SweepSpec) -> tuple[ResnetModel, ...]:
    """The ResNets of the base and of every trial that the search can propose, each combination of depth and weights
    once; what else they differ in is left at its default."""
    found: dict[ResnetModel, None] = {}
    for assignments in ({}, *grid(_deciding(spec.parameters))):
        kind, depth, weights = (_value(spec, assignments, path) for path in _DECIDING)
        if kind == "resnet":
            given = {"depth": depth, "weights": weights}
            known = {name: value for name, value in given.items() if value is not None}
            found[ResnetModel.model_validate({"kind": "resnet", **known})] = None
    return tuple(found)


def _value(spec: SweepSpec, assignments: Mapping[str, Scalar], path: str) -> Scalar | None:
    """What a trial has at `path`; None where the base's kind of model has no such field."""
    return assignments[path] if path in assignments else getattr(spec.model, path.partition(".")[2], None)


def _deciding(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The parameters that decide on weights, and those that a `when` of theirs names: all of them have `values`."""
    wanted = [path for path in _DECIDING if path in parameters]
    for path in wanted:
        wanted += [parent for parent in parameters[path].when if parent not in wanted]
    return {path: parameter for path, parameter in parameters.items() if path in wanted}
