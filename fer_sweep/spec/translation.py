"""pydantic's errors in the words of a sweep file: dotted paths without union members, one problem per field."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from fer_sweep.spec.fields import SECTIONS, Allowed, allowed, allowed_by, complaint, variants_of
from fer_sweep.spec.model import SpecModel
from fer_sweep.spec.problems import Path, Problems, listed, nearest
from fer_sweep.spec.scalars import shown


@dataclass(frozen=True)
class _Spot:
    """What an error location points to: the path as users write it, the model around it, and the field, if known."""

    path: Path
    model: type[SpecModel]
    info: FieldInfo | None
    accepts: Allowed


def add_validation_problems(
    error: ValidationError, model: type[SpecModel], data: Mapping[str, Any], problems: Problems
) -> None:
    """Add what pydantic found in `data`, which was meant to be a `model`; what has a problem already is skipped."""
    for details in error.errors(include_url=False):
        if details["type"] == "value_error":
            _add_broken_rules(details, data, problems)
            continue
        spot = _locate(model, details["loc"])
        if details["type"] in ("union_tag_invalid", "union_tag_not_found"):
            _add_variant_problem(spot, details, problems)
        elif not problems.touches(spot.path):
            _add_field_problem(spot, details, problems)


def _locate(model: type[SpecModel], loc: tuple[int | str, ...]) -> _Spot:
    path: list[str] = []
    parts = iter(loc)
    info: FieldInfo | None = None
    inner: type[SpecModel] | None = model
    for part in parts:
        path.append(str(part))
        model = inner or model
        info = model.model_fields.get(str(part))
        if info is None:
            break
        variants = variants_of(info)
        if not variants:
            break
        tag = "" if info.discriminator is None else next(parts, None)
        inner = variants.get(str(tag))
    accepts = allowed_by(info) if info is not None else Allowed()
    index = next((part for part in parts if isinstance(part, int)), None)
    if index is not None and info is not None:
        path.append(str(index))
        accepts = allowed(_item_type(info.annotation))
    return _Spot(tuple(path), model, info, accepts)


def _item_type(annotation: Any) -> Any:
    members = [annotation, *get_args(annotation)]
    return next(get_args(member)[0] for member in members if get_origin(member) is tuple)


def _add_field_problem(spot: _Spot, details: ErrorDetails, problems: Problems) -> None:
    value = details["input"]
    if details["type"] == "missing":
        problems.add(spot.path, "is missing", allowed=spot.accepts.sentence())
    elif details["type"] == "extra_forbidden":
        _add_unknown_key(spot, value, problems)
    else:
        problems.add(
            spot.path,
            complaint(value, spot.accepts),
            value=value,
            allowed=spot.accepts.sentence(),
            nearest=nearest(str(value), spot.accepts.choices) or _unabbreviated(spot.info, value),
        )


def _unabbreviated(info: FieldInfo | None, value: object) -> str | None:
    """`{type: median}` where early_terminate: median was written."""
    if info is None or not isinstance(value, str):
        return None
    if isinstance(info.discriminator, str):
        close = nearest(value, variants_of(info))
        return f"{{{info.discriminator}: {close}}}" if close else None
    if isinstance(info.annotation, type) and issubclass(info.annotation, SpecModel):
        for name, inner in info.annotation.model_fields.items():
            if close := nearest(value, allowed_by(inner).choices):
                return f"{{{name}: {close}}}"
    return None


def _add_unknown_key(spot: _Spot, value: object, problems: Problems) -> None:
    *parents, key = spot.path
    here = list(spot.model.model_fields)
    message, close = "unknown key", nearest(key, here)
    section = SECTIONS.get(parents[0]) if parents else None
    if section is not None and section.discriminator is not None and (owners := section.with_field(key)):
        message = f"unknown key (it belongs to {section.discriminator_path}: {listed(owners)})"
        close = None
    elif close is None:
        elsewhere = (other.name for other in SECTIONS.values() if key in other.field_names())
        close = next((f"{name}.{key}" for name in elsewhere), None)
    problems.add(spot.path, message, value=value, allowed=f"Allowed here: {', '.join(here)}.", nearest=close)


def _add_variant_problem(spot: _Spot, details: ErrorDetails, problems: Problems) -> None:
    section = SECTIONS[spot.path[-1]]
    assert section.discriminator is not None
    path = (*spot.path, section.discriminator)
    if problems.touches(path):
        return
    tag = details["input"].get(section.discriminator)
    missing = details["type"] == "union_tag_not_found"
    problems.add(
        path,
        "is missing" if missing else f"{shown(tag)} is not allowed",
        value=tag,
        allowed=f"Allowed: {listed(section.variants)}.",
        nearest=None if missing else nearest(str(tag), section.variants),
    )


def _add_broken_rules(details: ErrorDetails, data: Mapping[str, Any], problems: Problems) -> None:
    """Rules over several fields say `dotted.path: what is wrong`, one per line."""
    for line in str(details["ctx"]["error"]).splitlines():
        dotted, _, message = line.partition(": ")
        path = tuple(dotted.split("."))
        value: Any = data
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else getattr(value, key, None)
        problems.add(path, message, value=value)
