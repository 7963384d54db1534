"""Where a study is tracked: the address of an MLflow store, and who keeps its files. Light: loads no MLflow."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from fer_sweep.errors import ModelError, StudyError
from fer_sweep.study.home import Home

SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
"""What an address of a store begins with, as MLflow has it; its stores of plain files are going."""


@dataclass(frozen=True)
class Store:
    """An MLflow store. artifacts: where this process keeps files; None when an MLflow server does."""

    uri: str
    artifacts: Path | None

    @property
    def name(self) -> str:
        """The address without passwords."""
        return without_passwords(self.uri)

    def options(self, home: Home) -> str:
        """What a command needs to find the home and this store, after a space and without a password."""
        return home.option + ("" if self.uri == local_uri(home) else f" --tracking-uri {shlex.quote(self.name)}")


def local_uri(home: Home) -> str:
    """The MLflow store of a project: a SQLite file beside Optuna's, never the same one."""
    return f"sqlite:///{home.mlflow_file.absolute()}"


def store_of(tracking_uri: str | None, home: Home) -> Store:
    """The store at an address, or the local one. Raises StudyError for what is no address of a store."""
    if tracking_uri is not None:
        _check(tracking_uri)
    if tracking_uri is not None and tracking_uri.startswith(("http://", "https://")):
        return Store(tracking_uri, None)
    return Store(tracking_uri or local_uri(home), home.artifacts)


def _check(uri: str) -> None:
    scheme, separator, _ = uri.partition("://")
    if not separator or scheme.partition("+")[0] not in SCHEMES:
        meant = f" Did you mean http://{uri}?" if re.fullmatch(r"\w[\w.-]*(:\d+)?(/.*)?", uri) else ""
        raise StudyError(
            f"--tracking-uri (or MLFLOW_TRACKING_URI): {without_passwords(uri)!r} is no address of an MLflow store."
            f"{meant} Use http://HOST:PORT of a server, or a database: sqlite:///FILE, postgresql://USER@HOST/DATABASE."
        )


def existing_store(tracking_uri: str | None, home: Home, *, wanted: str) -> Store:
    """The same for somebody who looks for a model, which must create no store. Raises ModelError if there is none."""
    if tracking_uri is None and not home.mlflow_file.exists():
        raise ModelError(
            f"there is no MLflow store in {home.root}, so {wanted} cannot be found. Name the folder of the store with "
            "--home, or the address of a server with --tracking-uri."
        )
    return store_of(tracking_uri, home)


def without_passwords(text: str) -> str:
    """A text, less what stands between :// and @ in a database or server address."""
    return re.sub(r"://[^/\s@]+@", "://***@", text)
