"""The MLflow client: how a store is addressed, opened and refused."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# none: a create that is only answered late would be posted twice; whoever writes looks first, and tries again
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")  # seconds

import logging
from urllib.parse import urlsplit

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from sqlalchemy import NullPool, create_engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from fer_sweep.errors import TrackingError, TrackingRefused
from fer_sweep.study.database import lock_key
from fer_sweep.tracking.address import Store, without_passwords
from fer_sweep.tracking.probe import own_credentials

logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)

_START_IT = (
    "Start it, correct --tracking-uri (or MLFLOW_TRACKING_URI), leave both out to use the local store, or run with "
    "--offline and send everything later with fer-sweep sync."
)
_SQLALCHEMY_ASIDE = "(raised as a result of"
"""A line above the reason, about SQLAlchemy's own doings."""
_NETWORK_TOWER = "failed with exception"
"""In what MLflow says of an error of the network."""
_REFUSALS = {
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
}
_NOT_LET_IN = {"CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED", "UNAUTHENTICATED"}


def open_client(store: Store) -> MlflowClient:
    """A client whose store answered. Raises TrackingError when it does not."""
    if store.artifacts is not None:
        store.artifacts.mkdir(parents=True, exist_ok=True)
    first = nullcontext() if store.artifacts is None else _first_use(store.uri)  # a server sees to that itself
    with store_errors(store.uri, _START_IT), first:
        client = MlflowClient(tracking_uri=store.uri)
        client.search_experiments(max_results=1)
    return client


@contextmanager
def _first_use(uri: str) -> Iterator[None]:
    """One process at a time: of several that open an empty database at the same moment, MLflow fails in all but one.

    Raises at once what is wrong with a database, with which MLflow tries for 100 seconds before it says so; and
    TrackingError if it is the one of searches.
    """
    try:
        address = make_url(uri)
    except ArgumentError:
        yield  # no database; MLflow knows more kinds of stores, or says what it knows
        return
    with ExitStack() as held:
        if address.get_backend_name() == "sqlite" and address.database:
            try:
                held.enter_context(FileLock(f"{address.database}.init.lock"))
            except PermissionError as error:
                raise TrackingError(
                    f"the MLflow store {uri} cannot be opened: {error.filename}: {error.strerror}. A SQLite file must "
                    "be writable even to be read, and so must its folder: let this user in, or copy the folder."
                ) from error
        connection = held.enter_context(create_engine(address, poolclass=NullPool).connect())
        if inspect(connection).has_table("trial_values"):
            raise TrackingError(
                f"{without_passwords(uri)} is the database of searches. An MLflow store needs one of its own: both "
                "keep a table called alembic_version. Name another database."
            )
        if address.get_backend_name() == "postgresql":
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": lock_key("first use of MLflow")})
            connection.commit()  # a lock of the session; it would otherwise wait within a transaction
        else:
            connection.close()  # MLflow wants to write
        yield


@contextmanager
def store_errors(uri: str, remedy: str) -> Iterator[None]:
    """Whatever MLflow raises inside becomes a TrackingError with the store, the reason and the remedy; where the store
    answered, and said no, a TrackingRefused."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, ImportError, ValueError, OSError) as error:
        reason = without_passwords(_reason(error))[:300]
        store = without_passwords(uri)
        if isinstance(error, MlflowException) and error.error_code in _NOT_LET_IN:
            # no refusal of what was sent: once this is put right, the same can be sent again
            raise TrackingError(_not_let_in(store, reason)) from error
        if isinstance(error, MlflowException) and error.error_code in _REFUSALS:
            raise TrackingRefused(
                f"the MLflow store {store} refuses: {reason} ({error.error_code}). {remedy}"
            ) from error
        raise TrackingError(f"the MLflow store {store} does not answer: {reason}. {remedy}") from error


def _reason(error: BaseException) -> str:
    """Why a store failed, in a line. MLflow puts its own words, and those of requests and urllib3, around what the
    network said; that alone is worth reading."""
    lines = [line for line in str(error).strip().splitlines() if not line.startswith(_SQLALCHEMY_ASIDE)]
    if not lines or _NETWORK_TOWER not in lines[0]:
        return lines[0] if lines else type(error).__name__
    cause = error
    while (below := cause.__cause__ or cause.__context__ or _wrapped(cause)) is not None:
        cause = below
    if isinstance(cause, TimeoutError):
        return f"no answer within {os.environ['MLFLOW_HTTP_REQUEST_TIMEOUT']} s"
    said = (cause.strerror if isinstance(cause, OSError) else None) or str(cause)
    return said[:1].lower() + said[1:]


def _wrapped(error: BaseException) -> BaseException | None:
    last = error.args[-1] if error.args else None
    return last if isinstance(last, BaseException) else None


@contextmanager
def global_uri(uri: str) -> Iterator[None]:
    """A store as MLflow's global one, as long as the block lasts: a database store looks models:/ addresses up there,
    whatever the client's own store is."""
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None  # type: ignore[no-untyped-call]
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None: as if it had never been set


def _not_let_in(store: str, reason: str) -> str:
    """Why a server lets nobody in, and who can change that."""
    credentials = own_credentials()
    if "Invalid Host header" in reason:
        host = urlsplit(store).hostname
        return (
            f"the MLflow server {store} does not know itself by the name {host} (403, Invalid Host header). Start it "
            f"with fer-sweep serve --allowed-host {host} (mlflow server: --allowed-hosts '{host},{host}:*'), or call "
            "it by a name that it knows."
        )
    if "403" in reason:
        who = "you" if credentials is None else f"user {credentials[0]!r}"
        return (
            f"the MLflow server {store} does not allow {who} to do this (403): {reason}. Ask its administrator for the "
            "permission, or set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of a user who may."
        )
    if credentials is None:
        return (
            f"the MLflow server {store} asks for a user and a password (401). Set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD."
        )
    return (
        f"the MLflow server {store} does not accept user {credentials[0]!r} with this password (401). Correct "
        "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
    )


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
