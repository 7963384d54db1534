"""The schema of an MLflow database against the one that the installed MLflow speaks, and the way from one to the
other.

MLflow offers this only as a command with the database's password among its arguments; hence its own functions, here in
one place.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import mlflow
import sqlalchemy
from mlflow.store.db import utils as database_utils
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from fer_sweep.errors import TrackingError
from fer_sweep.study.backup import back_up
from fer_sweep.tracking.address import without_passwords

utils: Any = database_utils  # without annotations

State = Literal["empty", "current", "older", "newer"]


@dataclass(frozen=True)
class Schema:
    """The revision that a database has (None: no tables yet), and the one that the installed MLflow has."""

    found: str | None
    installed: str
    state: State


@dataclass(frozen=True)
class Upgraded:
    """A schema that was brought up to date. copy: what the database was before; None where SQLite was not asked."""

    before: str
    after: str
    copy: Path | None


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite address; None for other databases. Raises TrackingError for what is no database address."""
    try:
        url = make_url(uri)
    except SQLAlchemyError as error:
        raise TrackingError(
            f"{without_passwords(uri)} is no address of a database. Give one such as sqlite:////data/mlflow.db or "
            "postgresql+psycopg://user:password@host/mlflow."
        ) from error
    if url.get_backend_name() != "sqlite":
        return None
    if url.database in (None, "", ":memory:"):
        raise TrackingError(f"{uri} names no file, so nothing in it would last. Give one: sqlite:////data/mlflow.db.")
    return Path(str(url.database))


def schema_of(uri: str) -> Schema:
    """What schema a database has. Raises TrackingError if it cannot be read, or if it is Optuna's."""
    file = sqlite_file(uri)
    installed: str = utils._get_latest_schema_revision()
    if file is not None and not file.exists():
        return Schema(None, installed, "empty")
    with _engine(uri) as engine:
        tables = set(sqlalchemy.inspect(engine).get_table_names())
        if "trials" in tables and "experiments" not in tables:
            raise TrackingError(
                f"{without_passwords(uri)} is a database of Optuna's, not of MLflow's. The two can never share one: "
                "name another."
            )
        found: str | None = utils._get_schema_version(engine) if "alembic_version" in tables else None
    if found is None:
        return Schema(None, installed, "empty")
    if found == installed:
        return Schema(found, installed, "current")
    return Schema(found, installed, "older" if found in _known() else "newer")


def require_not_newer(uri: str, schema: Schema) -> None:
    """Raises TrackingError for a database of a later MLflow, which this one would damage."""
    if schema.state == "newer":
        raise TrackingError(
            f"the MLflow store {without_passwords(uri)} has schema {schema.found}, which MLflow {mlflow.__version__} "
            f"(schema {schema.installed}) does not know: a newer MLflow made it. Install that one (pip install -U "
            "mlflow), or name another store."
        )


def upgrade_schema(uri: str, schema: Schema) -> Upgraded:
    """Bring an older schema up to date; a SQLite database is copied first. Raises TrackingError if that fails."""
    assert schema.found is not None
    file = sqlite_file(uri)
    copy = None if file is None else back_up(file, revision=schema.found)
    kept = "Restore your backup." if copy is None else f"The database as it was is in {copy}."
    try:
        with _engine(uri) as engine:
            utils._upgrade_db(engine)
    except Exception as error:  # a migration may raise anything
        raise TrackingError(
            f"the schema of {without_passwords(uri)} could not be upgraded from {schema.found} to {schema.installed}: "
            f"{without_passwords(str(error))[:300]}. {kept}"
        ) from error
    return Upgraded(schema.found, schema.installed, copy)


def _known() -> set[str]:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(utils._get_alembic_config(""))
    return {revision.revision for revision in script.walk_revisions()}


@contextmanager
def _engine(uri: str) -> Iterator[Engine]:
    try:
        engine = sqlalchemy.create_engine(uri)
    except (SQLAlchemyError, ImportError) as error:
        raise TrackingError(
            f"nothing here speaks to {without_passwords(uri)}: {error}. For Postgres: pip install 'psycopg[binary]', "
            "and write the address as postgresql+psycopg://user:password@host/mlflow."
        ) from error
    try:
        yield engine
    except SQLAlchemyError as error:
        reason = without_passwords((str(error).strip().splitlines() or [type(error).__name__])[0])
        raise TrackingError(
            f"the database {without_passwords(uri)} cannot be read: {reason}. Start it, correct its address, or, if "
            "the file is damaged, restore a backup (fer-sweep doctor says more)."
        ) from error
    finally:
        engine.dispose()
