"""The schema of Optuna's database against the one that the installed Optuna speaks."""

from dataclasses import dataclass
from pathlib import Path

from fer_sweep.study.backup import back_up
from fer_sweep.study.database import unchecked_storage
from fer_sweep.study.home import Home


@dataclass(frozen=True)
class SearchSchema:
    """The revision that the database has, and the one that the installed Optuna has. known: whether that one can
    upgrade it; if not, a newer Optuna made it."""

    found: str
    installed: str
    known: bool


def search_schema(home: Home) -> SearchSchema:
    """What schema the database of searches has. It must exist and be whole."""
    storage = unchecked_storage(home)
    found = storage.get_current_version()
    schema = SearchSchema(found, storage.get_head_version(), found in storage.get_all_versions())
    storage.engine.dispose()
    return schema


def upgrade_search_schema(home: Home) -> Path:
    """Bring an older database of searches up to date. Returns the copy of what it was before."""
    storage = unchecked_storage(home)
    copy = back_up(home.optuna_file, revision=storage.get_current_version())
    storage.upgrade()
    storage.engine.dispose()
    return copy
