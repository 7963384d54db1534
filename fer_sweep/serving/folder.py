"""A fitted pipeline as a folder: pipeline.json says what it is, weights.safetensors holds its arrays. No pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from fer_sweep.errors import DataError
from fer_sweep.features.projection import PrincipalAxes, Projection
from fer_sweep.features.scaling import Scaling
from fer_sweep.serving.pipeline import FeatureRows, FittedPipeline
from fer_sweep.spec.data import FaceOptions
from fer_sweep.spec.model import SpecModel
from fer_sweep.spec.models import ModelConfig
from fer_sweep.spec.trial import FeaturesConfig

DESCRIPTION, ARRAYS = "pipeline.json", "weights.safetensors"

Arrays = Mapping[str, npt.NDArray[Any]]


class _Rows(SpecModel):
    kind: Literal["rows"] = "rows"
    names: tuple[str, ...] = Field(strict=False)
    missing: Literal["drop", "impute", "error"]


class _Pictures(FaceOptions):
    kind: Literal["pictures"] = "pictures"


class _Description(SpecModel):
    """What pipeline.json says. A reader refuses a format that it does not know."""

    format: Literal[1] = 1
    input: Annotated[_Rows | _Pictures, Field(discriminator="kind")]
    descriptors: FeaturesConfig | None
    projection: tuple[str, ...] | None = Field(strict=False)
    scaling: bool
    model: ModelConfig
    class_names: tuple[str, ...] = Field(strict=False)


def save(pipeline: FittedPipeline, folder: Path) -> None:
    """Write a pipeline into a folder, which is made if it is not there."""
    taken = pipeline.input
    description = _Description(
        input=_Rows(names=taken.names, missing=taken.missing)
        if isinstance(taken, FeatureRows)
        else _Pictures(face=taken.face, margin=taken.margin, no_face=taken.no_face),
        descriptors=pipeline.descriptors,
        projection=None if pipeline.projection is None else tuple(pipeline.projection),
        scaling=pipeline.scaling is not None,
        model=pipeline.model,
        class_names=pipeline.class_names,
    )
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(description.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    save_file({name: np.array(array, order="C") for name, array in _arrays(pipeline).items()}, folder / ARRAYS)


def load(folder: Path) -> FittedPipeline:
    """The pipeline that `save` wrote. Raises DataError if the folder holds none, or one that cannot be read."""
    try:
        description = _Description.model_validate_json((folder / DESCRIPTION).read_text(encoding="utf-8"))
        arrays = load_file(folder / ARRAYS)
        return _pipeline(description, arrays)
    except (OSError, ValidationError, SafetensorError, KeyError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"{folder} holds no fitted pipeline that this version of fer-sweep can read ({type(error).__name__}: "
            f"{reason[0]}). A pipeline is {DESCRIPTION} and {ARRAYS}, as fer-sweep promote writes them."
        ) from error


def _arrays(pipeline: FittedPipeline) -> Arrays:
    arrays = {f"model.{name}": array for name, array in pipeline.weights.items()}
    if pipeline.scaling is not None:
        arrays |= {"scaling.mean": pipeline.scaling.mean, "scaling.deviation": pipeline.scaling.deviation}
    for name, axes in (pipeline.projection or {}).items():
        arrays |= {f"projection.{name}.mean": axes.mean, f"projection.{name}.axes": axes.axes}
    return arrays


def _pipeline(description: _Description, arrays: Arrays) -> FittedPipeline:
    taken, projection = description.input, None
    if description.projection is not None:
        projection = _projection(description.projection, arrays)
    return FittedPipeline(
        input=FeatureRows(taken.names, taken.missing)
        if isinstance(taken, _Rows)
        else FaceOptions(face=taken.face, margin=taken.margin, no_face=taken.no_face),
        descriptors=description.descriptors,
        projection=projection,
        scaling=Scaling(arrays["scaling.mean"], arrays["scaling.deviation"]) if description.scaling else None,
        model=description.model,
        weights={name.removeprefix("model."): x for name, x in arrays.items() if name.startswith("model.")},
        class_names=description.class_names,
    )


def _projection(names: tuple[str, ...], arrays: Arrays) -> Projection:
    return MappingProxyType(
        {name: PrincipalAxes(arrays[f"projection.{name}.mean"], arrays[f"projection.{name}.axes"]) for name in names}
    )
