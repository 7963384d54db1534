"""Configurations by dotted path: put a trial's values into the base, read values back, flatten."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from fer_sweep.spec.fields import SEARCHABLE, SECTIONS, Section, search_field
from fer_sweep.spec.problems import Problems, nearest
from fer_sweep.spec.search import Parameter, Scalar
from fer_sweep.spec.translation import add_validation_problems
from fer_sweep.spec.trial import TrialConfig


def apply(base: TrialConfig, assignments: Mapping[str, Scalar]) -> TrialConfig:
    """The base with values put in at dotted paths. When a discriminator (model.kind, removal.rule) changes, fields that
    the new variant lacks are dropped and those it has are kept, unless they are the old one's defaults. Whole floats
    become ints where ints are asked for.

    Raises SpecError with all that is wrong if the result is not a valid configuration."""
    problems = Problems()
    config = build(base, assignments, problems)
    problems.raise_any()
    assert config is not None
    return config


def on_data_of(config: TrialConfig, other: TrialConfig) -> TrialConfig:
    """The configuration, but with the data and the protocol of another one.

    Raises SpecError if it cannot be trained on them: a CNN on features, for instance."""
    problems = Problems()
    moved = _checked({**_sections(config), **{name: _sections(other)[name] for name in ("data", "protocol")}}, problems)
    problems.raise_any()
    assert moved is not None
    return moved


def build(base: TrialConfig, assignments: Mapping[str, Scalar], problems: Problems) -> TrialConfig | None:
    """As `apply`, but what is wrong is added to `problems` and the answer is None."""
    data = _sections(base)
    _switch_variants(data, assignments)
    for path, value in assignments.items():
        section_name, _, field = path.partition(".")
        if section_name not in SEARCHABLE:
            problems.add((path,), f"cannot be assigned; only fields of {', '.join(SEARCHABLE)} differ between trials")
            continue
        section = SECTIONS[section_name]
        tag = str(data[section_name].get(section.discriminator, ""))
        model = section.variants.get(tag)
        if model is None or field == section.discriminator:
            continue
        if field not in model.model_fields:
            which = f" when {section.discriminator_path} is {tag}" if tag else ""
            problems.add(
                (section_name, field), f"does not exist{which}", value=value, nearest=nearest(field, model.model_fields)
            )
            continue
        data[section_name][field] = search_field(model, field).fitted(value)
    return None if problems.found else _checked(data, problems)


def _sections(config: TrialConfig) -> dict[str, Any]:
    return {name: getattr(config, name).model_dump() for name in SECTIONS}


def _checked(data: Mapping[str, Any], problems: Problems) -> TrialConfig | None:
    try:
        return TrialConfig.model_validate(data)
    except ValidationError as error:
        add_validation_problems(error, TrialConfig, data, problems)
        return None


def _switch_variants(data: dict[str, Any], assignments: Mapping[str, Scalar]) -> None:
    for section in SECTIONS.values():
        chosen = assignments.get(section.discriminator_path)
        if section.discriminator is not None and chosen is not None and section.name in SEARCHABLE:
            data[section.name] = switched(_set_apart(data[section.name], section), section.name, chosen)


def _set_apart(values: Mapping[str, Any], section: Section) -> dict[str, Any]:
    """A section's values without those that are the defaults of its variant: another one has its own."""
    model = section.variants[values[str(section.discriminator)]]
    fields = model.model_fields
    return {k: v for k, v in values.items() if k == section.discriminator or v != fields[k].default}


def switched(values: Mapping[str, Any], section_name: str, variant: object) -> dict[str, Any]:
    """A section's values after its discriminator became `variant`; an unknown variant keeps everything."""
    section = SECTIONS[section_name]
    assert section.discriminator is not None
    model = section.variants.get(variant) if isinstance(variant, str) else None
    kept = {key: value for key, value in values.items() if model is None or key in model.model_fields}
    return {**kept, section.discriminator: variant}


def value_at(config: TrialConfig, path: str) -> Scalar | None:
    """The value of a dotted path such as `removal.alpha`. None if this variant has no such field, or if it is null:
    neither can be the value of a parameter."""
    section, _, field = path.partition(".")
    value = getattr(getattr(config, section, None), field, None)
    return value if isinstance(value, bool | int | float | str) else None


def flatten(config: TrialConfig) -> dict[str, Scalar | None]:
    """Dotted path -> value of every leaf of a TrialConfig or SweepSpec, in file order; lists become `[1, 2]` text."""
    flat: dict[str, Scalar | None] = {}

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, BaseModel):
            items = {name: getattr(value, name) for name in type(value).model_fields}
            if isinstance(value, Parameter):  # what does not belong to a distribution is no setting
                items = {name: item for name, item in items.items() if item is not None}
            value = items
        if isinstance(value, dict):
            for key, item in value.items():
                visit(f"{prefix}.{key}" if prefix else key, item)
        else:
            flat[prefix] = json.dumps(value, ensure_ascii=False) if isinstance(value, tuple) else value

    visit("", config)
    return flat
