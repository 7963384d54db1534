"""Fitted pipelines out of an MLflow store: what a model URI means, and the pipeline behind it. Runs none of the model's
code: what is read is JSON and safetensors."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from fer_sweep.errors import DataError, ModelError
from fer_sweep.serving import FittedPipeline, load
from fer_sweep.tracking.address import without_passwords
from fer_sweep.tracking.client import store_errors

FORMS = "models:/NAME@ALIAS, models:/NAME/VERSION, models:/m-ID or runs:/RUN_ID/NAME"

_UNKNOWN = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "BAD_REQUEST", "NOT_FOUND"}
_REMEDY = "Start it, correct --tracking-uri (or MLFLOW_TRACKING_URI), or leave both out to use the local store."


@dataclass(frozen=True)
class FoundModel:
    """What a URI means now. name, version: of the registered model, None if it was found without the registry;
    location: of its files."""

    uri: str
    name: str | None
    version: str | None
    model_id: str | None
    location: str


def find_model(client: MlflowClient, uri: str) -> FoundModel:
    """The model that a URI of one of FORMS names.

    Raises ModelError if there is none, TrackingError if the store does not answer.
    """
    with _model_errors(client, uri):
        if registered := re.fullmatch(r"models:/([^/@]+)(?:@([^/@]+)|/(\d+))", uri):
            name, alias, number = registered.groups()
            if number is not None:
                return _behind(client, client.get_model_version(name, number), uri)
            aliases = client.get_registered_model(name).aliases
            if alias not in aliases:
                has = ", ".join(f"@{one} (version {aliases[one]})" for one in sorted(aliases)) or "none"
                raise ModelError(
                    f"{uri}: the model {name} has no alias {alias!r}. Its aliases: {has}. A promoted version loses "
                    f"@challenger; every version has its number, as in models:/{name}/1."
                )
            return _behind(client, client.get_model_version_by_alias(name, alias), uri)
        if (logged := re.fullmatch(r"models:/(m-[0-9a-f]+)", uri)) is not None:
            model = client.get_logged_model(logged[1])
            return FoundModel(uri, None, None, model.model_id, model.artifact_location)
        if (of_run := re.fullmatch(r"runs:/([^/]+)/([^/]+)", uri)) is not None:
            return _of_run(client, of_run[1], of_run[2], uri)
    raise ModelError(f"{uri!r} names no model. A model is {FORMS}.")


def fetch_pipeline(client: MlflowClient, found: FoundModel) -> FittedPipeline:
    """The pipeline of a model that was found.

    Raises ModelError if it is no model of fer-sweep, TrackingError if the store does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="fer-sweep-") as folder:
        with _model_errors(client, found.uri):
            place = download_artifacts(
                artifact_uri=f"{found.location.rstrip('/')}/artifacts/pipeline",
                dst_path=folder,
                tracking_uri=client.tracking_uri,
            )
        try:
            return load(Path(place))
        except DataError as error:
            raise ModelError(f"{found.uri}: {error}") from error


def _behind(client: MlflowClient, version: ModelVersion, uri: str) -> FoundModel:
    """The model that a version stands for; a copy of a version stands for what that one does."""
    name, number, source = version.name, str(version.version), str(version.source)
    if source.startswith(("models:/", "runs:/")):
        behind = find_model(client, source)
        return FoundModel(uri, name, number, behind.model_id, behind.location)
    within = re.search(r"/(m-[0-9a-f]+)/artifacts/?$", source)  # where MLflow keeps a logged model's files
    return FoundModel(uri, name, number, within and within[1], source)


def _of_run(client: MlflowClient, run_id: str, name: str, uri: str) -> FoundModel:
    """The newest model of this name that the run has logged."""
    outputs = client.get_run(run_id).outputs
    models = [client.get_logged_model(each.model_id) for each in (outputs.model_outputs if outputs else [])]
    named = [model for model in models if model.name == name]
    if not named:
        has = ", ".join(sorted({str(model.name) for model in models})) or "none"
        raise ModelError(f"{uri}: the run has logged no model called {name!r}. Its models: {has}.")
    newest = max(named, key=lambda model: model.creation_timestamp)
    return FoundModel(uri, None, None, newest.model_id, newest.artifact_location)


@contextmanager
def _model_errors(client: MlflowClient, uri: str) -> Iterator[None]:
    """What the store does not know is a ModelError; that it does not answer, a TrackingError."""
    with store_errors(client.tracking_uri, _REMEDY):
        try:
            yield
        except (MlflowException, FileNotFoundError) as error:
            if isinstance(error, MlflowException) and error.error_code not in _UNKNOWN:
                raise
            reason = without_passwords(str(error).strip().splitlines()[0]).rstrip(".")
            raise ModelError(
                f"{uri} is no model of fer-sweep in {without_passwords(client.tracking_uri)}: {reason}. A model is "
                f"{FORMS}, as fer-sweep promote made it."
            ) from error
