"""The MLflow client: how a store is addressed, opened and refused."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # the default of 7 blocks for four minutes
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")  # seconds; the default of 120 is tried four times

import logging

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home
from fer_sweep.tracking.provenance import without_passwords

logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)


def local_uri(home: Home) -> str:
    """The MLflow store of a project: a SQLite file beside Optuna's, never the same one."""
    return f"sqlite:///{home.mlflow_file.absolute()}"


def open_client(uri: str, home: Home) -> MlflowClient:
    """A client whose store answered. Raises TrackingError when it does not."""
    if uri == local_uri(home):
        home.artifacts.mkdir(parents=True, exist_ok=True)
    with store_errors(
        uri, "Start it, correct --tracking-uri (or MLFLOW_TRACKING_URI), or leave both out to use the local store."
    ):
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


@contextmanager
def store_errors(uri: str, remedy: str) -> Iterator[None]:
    """Whatever MLflow raises inside becomes a TrackingError with the store, the reason and the remedy."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, ImportError, ValueError, OSError) as error:
        reason = without_passwords(str(error).strip().splitlines()[0])[:300]
        raise TrackingError(f"the MLflow store {without_passwords(uri)} does not answer: {reason}. {remedy}") from error


def experiment_id(client: MlflowClient, name: str, artifacts: Path | None) -> str:
    """The id of the experiment with this name, created on first use. artifacts: where this process keeps files, None
    when a server does."""
    existing: Experiment | None = client.get_experiment_by_name(name)
    if existing is None:
        location = None if artifacts is None else (artifacts.absolute() / name).as_uri()
        # the kind of experiment, which the UI would otherwise guess
        tags = {"mlflow.experimentKind": "custom_model_development"}
        created: str = client.create_experiment(name, artifact_location=location, tags=tags)
        return created
    if existing.lifecycle_stage == "deleted":
        raise TrackingError(
            f"the MLflow experiment {name!r} was deleted in the UI but its name is still taken. Restore it there, or "
            "give the sweep another name (--set name=...)."
        )
    found: str = existing.experiment_id
    return found
