"""The base class of every part of a sweep file: frozen, strict, and closed to unknown keys."""

from pydantic import BaseModel, ConfigDict


class SpecModel(BaseModel):
    """A frozen part of a sweep file. Values are parsed once, here; later code trusts the types."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
