"""What was computed from pictures before: arrays on disk, found by everything that went into them."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

ABANDONED_SECONDS = 3600.0
"""Nobody writes this long at one array: a process was killed over it."""
LIMIT = 4 * 2**30
"""Bytes that a cache may hold unless told otherwise."""


@dataclass(frozen=True)
class CacheEntry:
    """One array on disk. kind: what it is, such as `pixels`, or `abandoned`, what a killed process left; used: time of
    the last use, seconds since 1970."""

    path: Path
    kind: str
    bytes: int
    used: float


@dataclass(frozen=True)
class Cache:
    """A folder of arrays. Written whole or not at all; when it holds more than `limit` bytes, what was not used for the
    longest time goes. Safe to share between processes: the worst that two of them can do is to compute the same."""

    folder: Path
    limit: int = LIMIT

    def array(self, kind: str, inputs: tuple[object, ...], compute: Callable[[], Array]) -> Array:
        """The array that `compute` makes, from disk if it was made before. `inputs` must say all that it depends on.
        The array is read-only."""
        digest = hashlib.sha256(repr((kind, *inputs)).encode()).hexdigest()[:24]
        file = self.folder / f"{kind}-{digest}.npy"
        known = _read(file)
        if known is None:
            known = compute()
            self._write(file, known)
        known.setflags(write=False)
        return known

    def why_closed(self) -> str | None:
        """Why nothing can be written into it; None if something can."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as error:
            return error.strerror or str(error)
        return None

    def entries(self) -> list[CacheEntry]:
        """What the cache holds, most recently used first."""
        return sorted(self._entries(), key=lambda entry: -entry.used)

    def clear(self) -> int:
        """Delete everything; returns the bytes set free."""
        entries = self.entries()
        for entry in entries:
            entry.path.unlink(missing_ok=True)
        return sum(entry.bytes for entry in entries)

    def _entries(self) -> Iterator[CacheEntry]:
        for path in (*self.folder.glob("*-*.npy"), *self.folder.glob("*.part")):
            try:
                facts = path.stat()
            except FileNotFoundError:  # another process has just deleted it
                continue
            whole = path.suffix == ".npy"
            if whole or time.time() - facts.st_mtime > ABANDONED_SECONDS:
                kind = path.stem.rpartition("-")[0] if whole else "abandoned"
                yield CacheEntry(path, kind, facts.st_size, facts.st_mtime)

    def _write(self, file: Path, array: Array) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as part:
            try:
                np.save(part, array)
            except BaseException:
                Path(part.name).unlink()
                raise
        os.replace(part.name, file)
        with os.scandir(self.folder) as files:
            if sum(size(one) for one in files) <= self.limit:
                return
        total = 0
        for entry in self.entries():
            total += entry.bytes
            if total > self.limit and entry.path != file:
                entry.path.unlink(missing_ok=True)


def size(file: os.DirEntry[str]) -> int:
    """Bytes of a file of the cache."""
    try:
        return file.stat().st_size
    except FileNotFoundError:  # another process has just deleted it
        return 0


def _read(file: Path) -> Array | None:
    """The array in a cache file; None if there is none, or none that can be read."""
    try:
        array: Array = np.load(file, allow_pickle=False)
        os.utime(file)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return array
