"""The MLflow client: how a store is addressed, opened and refused."""

import os
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # the default of 7 blocks for four minutes

import logging

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home

logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)


def local_uri(home: Home) -> str:
    """The MLflow store of a project: a SQLite file beside Optuna's, never the same one."""
    return f"sqlite:///{home.mlflow_file.absolute()}"


def open_client(uri: str, home: Home) -> MlflowClient:
    """A client whose store answered. Raises TrackingError when it does not."""
    if uri == local_uri(home):
        home.artifacts.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=uri)
    try:
        client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError) as error:
        raise TrackingError(
            f"the MLflow store {uri} does not answer: {str(error).splitlines()[0]}. Start it, correct --tracking-uri "
            "(or MLFLOW_TRACKING_URI), or leave both out to use the local store."
        ) from error
    return client


def experiment_id(client: MlflowClient, name: str, artifacts: Path | None) -> str:
    """The id of the experiment with this name, created on first use. artifacts: folder of a local store, else None."""
    existing: Experiment | None = client.get_experiment_by_name(name)
    if existing is None:
        location = None if artifacts is None else (artifacts.absolute() / name).as_uri()
        created: str = client.create_experiment(name, artifact_location=location)
        return created
    if existing.lifecycle_stage == "deleted":
        raise TrackingError(
            f"the MLflow experiment {name!r} was deleted in the UI but its name is still taken. Restore it there, or "
            "give the sweep another name (--set name=...)."
        )
    found: str = existing.experiment_id
    return found
