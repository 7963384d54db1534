"""Where the database of searches is, and how it is opened: a SQLite file in the home, or Postgres for several machines.

The only module that knows which of the two it is.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import URL, Connection, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from fer_sweep.errors import StudyError
from fer_sweep.study.home import Home

CONNECT_SECONDS = 10
"""Seconds to wait for a server to take a connection."""
_DRIVER = re.compile(r"postgres(ql)?(\+psycopg)?$")
_SECRET = re.compile(r"://[^/\s@]*:[^/\s@]*@")
"""A password in an address."""
_REMEDY = "Start it, correct --storage (or FER_SWEEP_STORAGE), or leave both out to use the SQLite file in --home."


def open_storage(home: Home) -> RDBStorage:
    """The database of all studies, created on first use, by one process at a time: several that open an empty one at
    the same moment would all try to create the tables.

    Raises StudyError if it does not answer, cannot be used, or was made by another version of Optuna.
    """
    if home.storage is None:
        home.root.mkdir(parents=True, exist_ok=True)
        connect = {"connect_args": {"timeout": 60, "factory": _SqliteConnection}}
        with FileLock(home.optuna_file.with_suffix(".init.lock")):
            return _open_file(home.optuna_file, connect)
    url = postgres_url(home.storage)
    where = without_password(url)
    # the pool tries a connection before it hands it out, since the server may have been restarted
    engine: dict[str, Any] = {"pool_pre_ping": True, "connect_args": {"connect_timeout": CONNECT_SECONDS}}
    with database_errors(where), connection(url) as opened:
        if inspect(opened).has_table("experiments"):
            raise StudyError(
                f"{where} is the database of an MLflow store. Searches need one of their own: both keep a table called "
                "alembic_version. Create another database on the same server (createdb optuna) and name that."
            )
        opened.execute(text("SELECT pg_advisory_lock(:key)"), {"key": lock_key("first use")})  # until it is closed
        return _open(url.render_as_string(hide_password=False), engine, where)


@contextmanager
def opened_storage(home: Home) -> Iterator[RDBStorage]:
    """The database of all studies for a while; its connections end with the block. Raises what open_storage raises."""
    storage = open_storage(home)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Be the only process that looks for a study to create it if it is not there. Waits for the others."""
    if home.storage is None:
        with FileLock(home.optuna_file.with_suffix(".create.lock")):
            yield
        return
    with database_errors(name_of(home)), connection(postgres_url(home.storage)) as opened:
        opened.execute(text("SELECT pg_advisory_lock(:key)"), {"key": lock_key("create")})
        yield


def unchecked_storage(home: Home) -> RDBStorage:
    """The database as it is, whatever version made it: nothing is created, nothing looked at."""
    if home.storage is None:
        return RDBStorage(home.optuna_url, skip_compatibility_check=True, skip_table_creation=True)
    url = postgres_url(home.storage).render_as_string(hide_password=False)
    connect = {"connect_args": {"connect_timeout": CONNECT_SECONDS}}
    return RDBStorage(url, engine_kwargs=connect, skip_compatibility_check=True, skip_table_creation=True)


def database_exists(home: Home) -> bool:
    """Whether there can be studies. Looking creates nothing on the disk."""
    return home.storage is not None or home.optuna_file.exists()


def name_of(home: Home) -> str:
    """What the place of the studies is called in messages; never with a password."""
    return str(home.root) if home.storage is None else without_password(postgres_url(home.storage))


def without_password(url: URL) -> str:
    """An address that may be shown."""
    return url._replace(password=None).render_as_string()


def _open_file(file: Path, engine: dict[str, Any]) -> RDBStorage:
    try:
        return _open(f"sqlite:///{file.absolute()}", engine, str(file))
    except (SQLAlchemyError, StorageInternalError) as error:
        raise StudyError(
            f"{file} cannot be used as the database of searches: {_reason(error)}. fer-sweep doctor looks what is "
            "wrong with it, and says what to do."
        ) from error


def _open(url: str, engine: dict[str, Any], where: str) -> RDBStorage:
    try:
        storage = RDBStorage(url, engine_kwargs=engine)
    except RuntimeError as error:  # Optuna's word for a schema that is not its own
        raise StudyError(
            f"{where} was made by another version of Optuna than the installed {optuna.__version__}. "
            "If that was an older one, fer-sweep doctor --repair upgrades the database after a copy; if it was a newer "
            "one, install it (pip install -U optuna)."
        ) from error
    # Optuna flushes where it reads what it has written. SQLAlchemy would before every other look, too, once for each
    # parameter of a trial; all of them together take a sixth off what it costs to begin one.
    storage.remove_session()
    storage.scoped_session.configure(autoflush=False)
    return storage


class _SqliteConnection(sqlite3.Connection):
    """Commits go to a write-ahead log and do not wait for the disk. A crash of the process loses nothing. One of the
    machine may undo the last transactions, never in part: those trials are proposed again as they were, because a
    proposal is a function of its number, and are told from their result files, which do wait for the disk."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = NORMAL")


def postgres_url(address: str) -> URL:
    """An address of Postgres, with the driver that we use. Raises StudyError for anything else."""
    try:
        url = make_url(address)
    except ArgumentError:
        url = None
    if url is None or _DRIVER.match(url.drivername) is None:
        shown = "what it is set to" if _SECRET.search(address) else repr(address)
        raise StudyError(
            f"--storage: {shown} is no address of a Postgres database. Use postgresql://USER@HOST/DATABASE, or leave "
            "--storage (and FER_SWEEP_STORAGE) out to use the SQLite file in --home."
        )
    return url.set(drivername="postgresql+psycopg")


@contextmanager
def database_errors(where: str) -> Iterator[None]:
    """What a database or its driver raises inside becomes a StudyError with the address, the reason and the remedy."""
    try:
        yield
    except ImportError as error:
        raise StudyError(f"{where} needs a driver that is not installed: pip install 'fer-sweep[postgres]'.") from error
    except SQLAlchemyError as error:
        raise StudyError(f"the database of searches {where} does not answer: {_reason(error)}. {_REMEDY}") from error


def _reason(error: Exception) -> str:
    """What the driver says first."""
    original = getattr(error, "orig", None) or error
    lines = [line.strip() for line in str(original).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(original).__name__


@contextmanager
def connection(url: URL, name: str = "fer-sweep") -> Iterator[Connection]:
    """A connection of its own, which ends with the block. Each statement is a transaction."""
    arguments = {"connect_timeout": CONNECT_SECONDS, "application_name": name}
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments)
    with engine.connect() as opened:
        yield opened


def lock_key(name: str) -> int:
    """A name as Postgres's advisory locks want it: a signed 64-bit number."""
    return int.from_bytes(blake2b(f"fer-sweep/{name}".encode(), digest_size=8).digest(), "big", signed=True)
