"""JSON Schema of a sweep file, for editors: parameters as people write them, descriptions from the docstrings."""

from typing import Any, get_args

from fer_sweep.spec.fields import SEARCHABLE
from fer_sweep.spec.search import Distribution, Parameter
from fer_sweep.spec.sweep import SweepSpec

_SCALAR: dict[str, Any] = {"type": ["boolean", "number", "string"]}


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a sweep file."""
    schema = SweepSpec.model_json_schema()
    schema["$defs"]["Parameter"] = _written_parameter()
    schema["properties"]["parameters"] = {
        "type": ["object", "null"],
        "description": "Searched parameters: the dotted path of a searchable field -> what to try.",
        "propertyNames": {"pattern": rf"^({'|'.join(SEARCHABLE)})(\.|$)"},
        "additionalProperties": {"anyOf": [{"$ref": "#/$defs/Parameter"}, {"$ref": "#/$defs/NestedParameters"}]},
    }
    schema["$defs"]["NestedParameters"] = {
        "type": "object",
        "description": "W&B's nested form of dotted paths.",
        "properties": {"parameters": {"type": "object"}},
        "required": ["parameters"],
        "additionalProperties": False,
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "fer-sweep sweep file", **schema}


def _written_parameter() -> dict[str, Any]:
    return {
        "type": "object",
        "description": Parameter.__doc__,
        "additionalProperties": False,
        "properties": {
            "distribution": {
                "enum": [*get_args(Distribution), "categorical_w_probabilities"],
                "description": "Inferred when left out: values -> categorical, value -> constant, min and max -> "
                "int_uniform if both are whole numbers, else uniform.",
            },
            "values": {"type": "array", "items": _SCALAR, "minItems": 1, "uniqueItems": True},
            "probabilities": {"type": "array", "items": {"type": "number", "minimum": 0}},
            "value": _SCALAR,
            "min": {"type": "number"},
            "max": {"type": "number"},
            "q": {"type": "number", "exclusiveMinimum": 0},
            "when": {
                "type": "object",
                "description": "The parameter exists only if these other parameters have (one of) these values.",
                "additionalProperties": {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}]},
            },
        },
        "anyOf": [{"required": ["values"]}, {"required": ["value"]}, {"required": ["min", "max"]}],
    }
