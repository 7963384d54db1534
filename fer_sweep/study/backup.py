"""Copies of SQLite databases: consistent also while another process writes, and checked before they are trusted."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from fer_sweep.errors import StudyError


def back_up(database: Path, *, revision: str) -> Path:
    """Copy a database beside itself, under a name with the revision of its schema and the time. Returns the copy.

    Raises StudyError if it cannot be copied, or if the copy is not whole.
    """
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    copy = database.with_name(f"{database.stem}.backup-{revision}-{now}{database.suffix}")
    part = copy.with_name(f".{copy.name}.tmp")
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
        problem = integrity(part)
        if problem is not None:
            raise sqlite3.DatabaseError(problem)
        part.replace(copy)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise StudyError(
            f"{database} cannot be backed up to {copy.name}: {error}. Nothing was changed. Free some space or repair "
            "the database (fer-sweep doctor says more), then try again."
        ) from error
    return copy


def integrity(database: Path) -> str | None:
    """What SQLite finds wrong with a database, in a line; None if nothing. Reads the whole file and changes nothing."""
    try:
        # where nobody can write, SQLite cannot make the files that it shares with writers either
        how = "mode=ro" if os.access(database.absolute().parent, os.W_OK) else "immutable=1"
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?{how}", uri=True)) as connection:
            (verdict, *_) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if verdict == "ok" else str(verdict).replace("\n", " ")
