"""A fitted pipeline as an MLflow model that anyone can load, without pickle and without the rest of fer-sweep."""

import base64
import shutil
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_sweep.tracking.client import store_errors  # first: it sets MLflow's environment

# isort: split
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import AnyType, ColSpec, Schema, TensorSpec

import fer_sweep
from fer_sweep.data import Samples
from fer_sweep.serving import FeatureRows, FittedPipeline, save
from fer_sweep.serving.requests import IMAGE
from fer_sweep.spec.data import FaceOptions
from fer_sweep.spec.models import ResnetModel, SvmModel

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of MLflow about its own type hints
    from mlflow.pyfunc import save_model

PACKAGE = Path(fer_sweep.__file__).parent
NEEDED = ("__init__.py", "errors.py", "cores.py", "spec", "data", "features", "models", "serving")
"""What a served model takes along of fer-sweep: the floors up to `serving`."""

EXAMPLES = 2
"""Rows of the input example: one would look like a model that takes no batches."""
EXAMPLE_SIDE = 256
"""Longer side in pixels of an example's pictures."""


def log_fitted(
    client: MlflowClient, run_id: str, pipeline: FittedPipeline, samples: Samples, *, name: str = "model"
) -> str:
    """Log a pipeline as a model of a run, ready to be loaded, registered and served. Returns its URI, models:/m-...

    The first samples that it has an answer for become the input example. Raises TrackingError if the store cannot be
    written.
    """
    record = Model(run_id=run_id)
    with tempfile.TemporaryDirectory(prefix="fer-sweep-") as name_of_folder:
        folder = Path(name_of_folder)
        _write(pipeline, samples, folder, record)
        with store_errors(client.tracking_uri, "Try again when it answers."):
            logged = _create(client, run_id, name)
            try:
                record.artifact_path, record.model_uuid = logged.artifact_location, logged.model_id
                record.model_id = logged.model_id
                record.save(str(folder / "model" / "MLmodel"))
                client.log_model_artifacts(logged.model_id, str(folder / "model"))
            except BaseException:
                client.finalize_logged_model(logged.model_id, "FAILED")
                raise
            client.finalize_logged_model(logged.model_id, "READY")
            client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return f"models:/{logged.model_id}"


def _create(client: MlflowClient, run_id: str, name: str) -> LoggedModel:
    run = client.get_run(run_id)
    return client.create_logged_model(
        run.info.experiment_id,
        name=name,
        source_run_id=run_id,
        params={key: str(value) for key, value in run.data.params.items()},
        model_type="classifier",
    )


def requirements(pipeline: FittedPipeline) -> list[str]:
    """What must be installed to serve it, in the versions that are installed here."""
    needed = ["numpy", "pandas", "pydantic", "safetensors"]
    if not isinstance(pipeline.model, SvmModel):
        needed.append("torch")
    if isinstance(pipeline.model, ResnetModel):
        needed.append("torchvision")
    if isinstance(pipeline.input, FaceOptions):
        needed.append("pillow")
        if pipeline.input.face != "whole" or pipeline.descriptors is not None:
            needed.append("opencv-python-headless")
    # without a local label such as +cpu, which package indexes do not know
    return [f"{each}=={version(each).partition('+')[0]}" for each in sorted((*needed, "mlflow"))]


def _write(pipeline: FittedPipeline, samples: Samples, folder: Path, record: Model) -> None:
    save(pipeline, folder / "pipeline")
    for part in NEEDED:
        source, target = PACKAGE / part, folder / "code" / "fer_sweep" / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas about MLflow
        save_model(
            path=str(folder / "model"),
            mlflow_model=record,
            python_model=str(PACKAGE / "tracking" / "served_model.py"),
            artifacts={"pipeline": str(folder / "pipeline")},
            code_paths=[str(folder / "code" / "fer_sweep")],
            signature=_signature(pipeline),
            input_example=_example(pipeline, samples),
            pip_requirements=requirements(pipeline),
        )
    for cache in (folder / "model").rglob("__pycache__"):
        shutil.rmtree(cache)


def _signature(pipeline: FittedPipeline) -> ModelSignature:
    inputs: list[ColSpec | TensorSpec]
    if isinstance(pipeline.input, FeatureRows):
        inputs = [ColSpec("double", name) for name in pipeline.input.names]
    else:
        inputs = [ColSpec(AnyType(), IMAGE)]  # type: ignore[no-untyped-call]  # a path, bytes, base64 text or an array
    outputs: list[ColSpec | TensorSpec] = [ColSpec("string", "label", required=False)]
    outputs += [ColSpec("double", f"probability_{name}") for name in pipeline.class_names]
    return ModelSignature(Schema(inputs), Schema(outputs))


def _example(pipeline: FittedPipeline, samples: Samples) -> pd.DataFrame:
    """A table of EXAMPLES rows."""
    if isinstance(pipeline.input, FeatureRows):
        return pd.DataFrame(samples.features[:EXAMPLES].astype(np.float64), columns=list(pipeline.input.names))
    cells: list[Any] = [base64.b64encode(samples.pictures.png(i, EXAMPLE_SIDE)).decode() for i in range(EXAMPLES)]
    return pd.DataFrame({IMAGE: cells})
