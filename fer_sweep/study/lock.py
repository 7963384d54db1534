"""One coordinator per study: a file lock that dies with its process, and a note that says who holds it."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from filelock import FileLock, Timeout

from fer_sweep.errors import StudyError
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.journal import write_atomically


@contextmanager
def coordinator_lock(name: str, files: StudyFiles) -> Iterator[None]:
    """Hold the study's lock, or raise StudyError naming host, process and time of the holder."""
    files.lock.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(files.lock)
    try:
        lock.acquire(timeout=0.5, poll_interval=0.05)  # whoever only looks (status --watch) has it for an instant
    except Timeout:
        raise StudyError(
            f"study {name!r} is already being run by {_holder(files)}. One study has one coordinator: wait until it is "
            "done, stop it, or run this file under another name (--set name=...)."
        ) from None
    try:
        holder = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_atomically(files.holder, json.dumps(holder).encode())
        yield
    finally:
        files.holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def writer_lock(name: str, files: StudyFiles, *, timeout: float) -> Iterator[None]:
    """Hold the right to send a study's outbox. Raises StudyError if another process has it still after a timeout in
    seconds."""
    files.writer_lock.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(files.writer_lock)
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        raise StudyError(
            f"another process is sending the outbox of study {name!r} to MLflow. Wait until it is done, or stop it: "
            "what it has not sent, the next one sends."
        ) from None
    try:
        yield
    finally:
        lock.release()


def coordinator_of(files: StudyFiles) -> str | None:
    """Who runs a study at this moment; None if nobody does."""
    if not files.lock.exists():
        return None
    lock = FileLock(files.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _holder(files)
    lock.release()
    return None


def _holder(files: StudyFiles) -> str:
    try:
        holder = json.loads(files.holder.read_text())
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return "another process"  # it took the lock a moment ago and has not signed yet
