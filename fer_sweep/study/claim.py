"""The right to coordinate a study whose database several machines use."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from fer_sweep.errors import StudyError
from fer_sweep.study.database import connection, database_errors, lock_key, name_of, postgres_url
from fer_sweep.study.home import Home


class StudyClaim:
    """The right to coordinate a study, held in its Postgres: an advisory lock of a connection. It ends with the
    process, with the machine, or with the server; `renew` takes it again after the latter."""

    def __init__(self, address: str, study: str) -> None:
        """Raises StudyError if another process has it, saying who, or if the database does not answer."""
        self._url, self._study = postgres_url(address), study
        self._held, self._connection = self._claim()

    def renew(self) -> None:
        """Make sure that it is still held. Raises StudyError if another process has taken it, and SQLAlchemyError while
        the server is away."""
        try:
            self._connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            self.release()
            self._held, self._connection = self._claim()

    def release(self) -> None:
        """Give it back."""
        with suppress(SQLAlchemyError):  # a connection that is gone has taken the lock with it
            self._held.close()

    def _claim(self) -> tuple[ExitStack, Connection]:
        # the holder can be read by whoever wants it next; Postgres keeps 63 characters
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
        holder = f"fer-sweep {os.getpid()} {socket.gethostname()[:28]} {since}"
        key = lock_key(f"study/{self._study}")
        with ExitStack() as held:
            opened = held.enter_context(connection(self._url, holder))
            for setting in ("idle = 30", "interval = 10", "count = 3"):  # a machine that is gone holds it for a minute
                opened.execute(text(f"SET tcp_keepalives_{setting}"))
            if opened.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar():
                return held.pop_all(), opened
            who = _holder(opened, key) or "another process"
        raise StudyError(
            f"study {self._study!r} is already being run by {who}. One study has one coordinator: wait until it is "
            "done, stop it, or run this file under another name (--set name=...)."
        )


def claimant_of(home: Home, study: str) -> str | None:
    """Who coordinates a study in a database for several machines; None if nobody does, or on a SQLite file."""
    if home.storage is None:
        return None
    with database_errors(name_of(home)), connection(postgres_url(home.storage)) as opened:
        return _holder(opened, lock_key(f"study/{study}"))


def _holder(opened: Connection, key: int) -> str | None:
    found = opened.execute(
        text(
            "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.granted "
            "AND l.locktype = 'advisory' AND l.objsubid = 1 AND l.classid = :high AND l.objid = :low "
            "AND a.datname = current_database()"  # the locks of all databases of the server are listed
        ),
        {"high": (key >> 32) & 0xFFFFFFFF, "low": key & 0xFFFFFFFF},
    ).scalar()
    match = re.fullmatch(r"fer-sweep (\d+) (\S+) (\S+)", str(found))
    if match is None:
        return None if found is None else "another process"
    return f"process {match[1]} on {match[2]} since {match[3]}"


@contextmanager
def claimed(home: Home, study: str) -> Iterator[StudyClaim | None]:
    """Hold the right to coordinate a study, where the database is one for several machines; a SQLite file's studies are
    locked beside their files."""
    if home.storage is None:
        yield None
        return
    with database_errors(name_of(home)):
        claim = StudyClaim(home.storage, study)
    try:
        yield claim
    finally:
        claim.release()
