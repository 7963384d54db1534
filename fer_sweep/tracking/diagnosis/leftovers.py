"""Space on the disk, and what crashes left behind."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fer_sweep.data.cache import LIMIT, Cache
from fer_sweep.data.counts import counted
from fer_sweep.study.home import Home
from fer_sweep.study.lock import coordinator_of
from fer_sweep.tracking.diagnosis.findings import DeleteFiles, Finding
from fer_sweep.tracking.upload import FOLDER_PREFIX

SCARCE, TIGHT = 2**30, 5 * 2**30
"""Bytes free below which a study will soon fail, and below which one should know."""
OLD_SECONDS = 3600.0
"""A temporary file this old belongs to nobody any more: writing one takes seconds."""
DAY = 24 * 3600.0
"""The same outside the home, where other projects have theirs."""


def disk(home: Home) -> Iterator[Finding]:
    """Space free where the home is, and what the cache takes."""
    place = next(folder for folder in (home.root.absolute(), *home.root.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    cached = sum(entry.bytes for entry in Cache(home.cache).entries())
    found = f"{_size(free)} free for {home.root}; the cache takes {_size(cached)} of at most {_size(LIMIT)}"
    remedy = "Free some space; fer-sweep data cache --clear is safe, it is computed again."
    if free < SCARCE:
        yield Finding("problem", "disk", found, remedy)
    elif free < TIGHT:
        yield Finding("note", "disk", found, remedy)
    else:
        yield Finding("ok", "disk", found)


def leftovers(home: Home) -> Iterator[Finding]:
    """Temporary files of processes that died, and checkpoints of trials that are done."""
    files = [*_temporary(home), *_checkpoints(home)]
    if files:
        size = sum(_bytes(file) for file in files)
        found = f"{counted(len(files), 'file')} of processes that died, {_size(size)}: {files[0]}" + (
            ", ..." if len(files) > 1 else ""
        )
        yield Finding("note", "leftovers", found, "fer-sweep doctor --repair deletes them.", DeleteFiles(tuple(files)))
    else:
        yield Finding("ok", "leftovers", "no temporary files were left behind")


def _temporary(home: Home) -> Iterator[Path]:
    """Half-written files in the home, and folders in which files were on their way to MLflow."""
    patterns = (home.root, ".*.tmp"), (home.root / "studies", "**/.*.tmp"), (home.root / "studies", "**/*.part")
    inside = {path for folder, pattern in patterns for path in folder.glob(pattern)}
    yield from sorted(path for path in (*inside, *home.cache.glob("*.part")) if _is_old(path))
    uploads = Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}{8 * '[a-z0-9_]'}")
    yield from sorted(path for path in uploads if path.stat().st_uid == os.getuid() and _is_old(path, DAY))


def _checkpoints(home: Home) -> Iterator[Path]:
    """Checkpoints of trials whose result is there already. What a trial may go on from stays."""
    for file in sorted((home.root / "studies").glob("*/*/checkpoints/*")):
        result = file.parent.parent / f"{file.stem}.npz"
        if result.exists() and file.suffix != ".part" and coordinator_of(home.study(file.parts[-4])) is None:
            yield file


def _is_old(path: Path, seconds: float = OLD_SECONDS) -> bool:
    try:
        return time.time() - path.stat().st_mtime > seconds
    except FileNotFoundError:
        return False


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file())


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
