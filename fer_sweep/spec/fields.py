"""The fields of a sweep file as the models declare them: sections, variants, and what a field allows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from fer_sweep.spec.model import SpecModel
from fer_sweep.spec.problems import listed
from fer_sweep.spec.scalars import resolve_plain, shown
from fer_sweep.spec.trial import TrialConfig

SEARCHABLE = ("features", "model", "train", "schedule", "augment", "removal")
"""Sections whose fields may be searched."""

_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_SWITCHES = {"on", "off", "yes", "no", "y", "n"}


@dataclass(frozen=True)
class Section:
    """A section of the base. Without a discriminator it has one variant, named ''."""

    name: str
    discriminator: str | None
    variants: Mapping[str, type[SpecModel]]
    default: str | None
    """Variant that is meant when the section is left out; None if it must be written."""

    @property
    def discriminator_path(self) -> str:
        """Dotted path of the discriminator, such as `model.kind`."""
        return f"{self.name}.{self.discriminator}"

    def with_field(self, name: str) -> tuple[str, ...]:
        """The variants that have a field of this name."""
        return tuple(tag for tag, model in self.variants.items() if name in model.model_fields)

    def field_names(self) -> tuple[str, ...]:
        """All field names, over all variants."""
        return tuple(dict.fromkeys(name for model in self.variants.values() for name in model.model_fields))


def variants_of(info: FieldInfo) -> dict[str, type[SpecModel]]:
    """Models a section field may hold, by discriminator value ('' for the only one); empty for a plain value."""
    members = [info.annotation, *get_args(info.annotation)]
    models = [member for member in members if isinstance(member, type) and issubclass(member, SpecModel)]
    if not isinstance(info.discriminator, str):
        return dict(zip([""], models, strict=False))
    return {get_args(model.model_fields[info.discriminator].annotation)[0]: model for model in models}


def _section(name: str, info: FieldInfo) -> Section:
    discriminator = info.discriminator if isinstance(info.discriminator, str) else None
    default = getattr(info.default, discriminator or "", None)
    return Section(name, discriminator, variants_of(info), default)


SECTIONS = {name: _section(name, info) for name, info in TrialConfig.model_fields.items()}


@dataclass(frozen=True)
class Allowed:
    """What a field accepts, taken apart so that it can be said in a sentence."""

    choices: tuple[str, ...] = ()
    boolean: bool = False
    number: Literal["", "a number", "a whole number"] = ""
    bounds: tuple[str, ...] = ()
    text: str = ""
    collection: str = ""
    null: bool = False

    def __str__(self) -> str:
        number = [" ".join([self.number, " and ".join(self.bounds)]).strip()] if self.number else []
        switches = ["true", "false"] if self.boolean else []
        rest = [part for part in (self.text, self.collection) if part]
        return listed([*self.choices, *switches, *number, *rest, *(["null"] if self.null else [])])

    def sentence(self) -> str:
        """`Allowed: a number > 0 and <= 1000.`"""
        return f"Allowed: {self}."


def allowed(annotation: Any, metadata: tuple[Any, ...] = ()) -> Allowed:
    """What a type annotation with pydantic metadata accepts."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *extra = get_args(annotation)
        nested = [item for part in extra for item in (part.metadata if isinstance(part, FieldInfo) else [part])]
        return allowed(inner, (*metadata, *nested))
    if origin in (Union, UnionType):
        return _merged([allowed(member, metadata) for member in get_args(annotation)])
    if origin is Literal:
        return Allowed(choices=tuple(str(choice) for choice in get_args(annotation)))
    if origin is tuple:
        return Allowed(collection="a list of text such as [a, b]")
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return Allowed(collection=f"a mapping with the keys {listed(annotation.model_fields, word='and')}")
    if annotation in (int, float):
        bounds = [
            f"{sign} {_number(getattr(m, key))}" for m in metadata for key, sign in _BOUNDS.items() if hasattr(m, key)
        ]
        return Allowed(number="a whole number" if annotation is int else "a number", bounds=tuple(bounds))
    if annotation is str:
        return Allowed(text=_text_rule(metadata))
    return Allowed(boolean=annotation is bool, null=annotation is NoneType)


def allowed_by(info: FieldInfo) -> Allowed:
    """What a field accepts."""
    if isinstance(info.discriminator, str):
        names = listed(dict.fromkeys(name for m in variants_of(info).values() for name in m.model_fields), word="and")
        return Allowed(collection=f"a mapping with {info.discriminator} and its keys ({names})")
    return allowed(info.annotation, tuple(info.metadata))


def complaint(value: object, accepts: Allowed) -> str:
    """What is wrong with a value that `accepts` refused, as the middle of a sentence."""
    if isinstance(value, dict | list) or accepts.collection:
        return "null (nothing) is not allowed" if value is None else f"{shown(value)} is not allowed"
    if value is None:
        return "a value is missing (null)"
    if isinstance(value, str):
        return _text_complaint(value, accepts)
    if accepts.text and not accepts.number:
        return f"{shown(value)} is not text; put it in quotes"
    if accepts.number and not isinstance(value, bool):
        if accepts.number == "a whole number" and isinstance(value, float):
            remedy = f"; write {int(value)}" if value.is_integer() else ""
            return f"{shown(value)} is not a whole number{remedy}"
        return f"{shown(value)} is out of range"
    only_number = accepts.number and not accepts.choices
    return f"{shown(value)} is not {accepts.number if only_number else 'allowed'}"


def _text_complaint(value: str, accepts: Allowed) -> str:
    meant = resolve_plain(value)
    if not accepts.text:
        if (isinstance(meant, bool) and accepts.boolean) or (type(meant) in (int, float) and accepts.number):
            return f"{shown(value)} is text because of its quotes; remove the quotes"
        if accepts.boolean and value.lower() in _SWITCHES:
            return f"{shown(value)} is text in YAML 1.2; write true or false"
        if accepts.number and not accepts.choices and not accepts.boolean:
            return f"{shown(value)} is not {accepts.number}"
    return f"{shown(value)} is not allowed"


def _number(bound: float) -> str:
    return str(int(bound)) if float(bound).is_integer() else str(bound)


def _text_rule(metadata: tuple[Any, ...]) -> str:
    if any(getattr(item, "pattern", None) for item in metadata):
        return "letters, digits, '.', '_' and '-', at most 100, beginning with a letter or digit"
    return "text that is not empty" if any(getattr(item, "min_length", 0) for item in metadata) else "text"


def _merged(parts: list[Allowed]) -> Allowed:
    numbers = [part for part in parts if part.number]
    return Allowed(
        choices=tuple(choice for part in parts for choice in part.choices),
        boolean=any(part.boolean for part in parts),
        number=numbers[0].number if numbers else "",
        bounds=numbers[0].bounds if numbers else (),
        text=next((part.text for part in parts if part.text), ""),
        collection=next((part.collection for part in parts if part.collection), ""),
        null=any(part.null for part in parts),
    )


@dataclass(frozen=True)
class SearchField:
    """One field of one variant, as the search sees it."""

    accepts: Allowed
    _adapter: TypeAdapter[Any] = field(repr=False)

    def accepted(self, value: object) -> bool:
        """Whether the field takes this value, with whole floats taken as ints where only ints are allowed."""
        try:
            self._adapter.validate_python(self.fitted(value))
        except ValidationError:
            return False
        return True

    def fitted(self, value: object) -> object:
        """`value`, as an int if it is a whole float and the field holds whole numbers (Optuna's steps are floats)."""
        if self.accepts.number == "a whole number" and isinstance(value, float) and value.is_integer():
            return int(value)
        return value


@cache
def search_field(model: type[SpecModel], name: str) -> SearchField:
    """The field `name` of `model`."""
    info = model.model_fields[name]
    config = ConfigDict(strict=True, allow_inf_nan=False)
    hint: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return SearchField(allowed_by(info), TypeAdapter(hint, config=config))
