"""Where a study is tracked: the address of an MLflow store, and who keeps its files. Light: loads no MLflow."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from fer_sweep.errors import ModelError
from fer_sweep.study.home import Home


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
    """The store at an address, or the local one."""
    if tracking_uri is not None and tracking_uri.startswith(("http://", "https://")):
        return Store(tracking_uri, None)
    return Store(tracking_uri or local_uri(home), home.artifacts)


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
