"""Users and passwords of a served store: a generated administrator, kept hashed by MLflow, and the keys beside it.

Everything lies in a folder that only its owner can read. A password is in memory for as long as it takes to show it:
it is no argument and no variable of any process.
"""

import importlib.util
import os
import secrets
import sqlite3
import warnings
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home

ADMIN = "admin"
CACHE_SECONDS = 60
"""How long a server believes a password that it has checked: checking takes a quarter of a second."""


@dataclass(frozen=True)
class Accounts:
    """The files that a server with passwords needs. password: the administrator's, if it is new: nothing keeps it."""

    config: Path
    secret_key: str
    password: str | None


def prepare_accounts(home: Home, *, renew: bool = False) -> Accounts:
    """Make what is missing: folder, key, configuration, administrator. renew: give the administrator a new password.

    Raises TrackingError if MLflow's part for this is not installed.
    """
    if importlib.util.find_spec("flask_wtf") is None:
        raise TrackingError(
            "--auth needs a part of MLflow that is not installed here. Install it: pip install 'mlflow[auth]' (or "
            "'fer-sweep[auth]')."
        )
    folder = home.auth
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    database = folder / "users.db"
    config = folder / "auth.ini"
    _write(config, _configuration(database))
    key = folder / "secret_key"
    if not key.exists():
        _write(key, secrets.token_hex(32))
    password = secrets.token_urlsafe(18) if renew or not _has_admin(database) else None
    if password is not None:
        _set_password(database, password)
    return Accounts(config, key.read_text(encoding="ascii").strip(), password)


def _write(path: Path, text: str) -> None:
    """A file that nobody else has been able to read at any moment."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    path.chmod(0o600)


def _configuration(database: Path) -> str:
    uri = f"sqlite:///{database.absolute()}".replace("%", "%%")  # configparser's own sign
    return (
        "[mlflow]\n"
        "default_permission = READ\n"
        f"database_uri = {uri}\n"
        f"admin_username = {ADMIN}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        f"auth_cache_ttl_seconds = {CACHE_SECONDS}\n"
    )


def _has_admin(database: Path) -> bool:
    if not database.exists():
        return False
    try:
        with closing(sqlite3.connect(database)) as connection:
            return connection.execute("select 1 from users where username = ?", (ADMIN,)).fetchone() is not None
    except sqlite3.OperationalError:  # a crash came before its tables
        return False
    except sqlite3.DatabaseError as error:
        raise TrackingError(
            f"the users in {database} cannot be read: {error}. Restore a backup of it, or delete it: the server then "
            "starts with a new administrator and no other users."
        ) from error


def _set_password(database: Path, password: str) -> None:
    """Make the administrator, or change the password."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's server is built on what its own libraries have given up
        from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

        _store_password(SqlAlchemyStore(), database, password)


def _store_password(store: Any, database: Path, password: str) -> None:
    if not database.exists():
        _write(database, "")
    store.init_db(f"sqlite:///{database.absolute()}")
    if store.has_user(ADMIN):
        store.update_user(ADMIN, password=password)
    else:
        store.create_user(ADMIN, password, is_admin=True)
    store.engine.dispose()
