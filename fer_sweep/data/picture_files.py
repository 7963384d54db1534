"""Which files are pictures, by their names."""

import os
from dataclasses import dataclass
from pathlib import Path

from fer_sweep.errors import DataError
from fer_sweep.spec.data import PICTURE_SUFFIXES


@dataclass(frozen=True)
class PictureFiles:
    """The pictures in a folder and its subfolders, by path. hidden: files that are named like pictures, but belong to
    an operating system or program: `._x.png` holds macOS's attributes of x.png."""

    files: tuple[Path, ...]
    hidden: tuple[Path, ...]


def picture_files(root: Path) -> PictureFiles:
    """Look for pictures, also in folders that links lead to; each folder once.

    Raises DataError if a folder cannot be read: a whole class may be in it.
    """
    named: list[Path] = []
    seen: set[str] = set()
    for folder, inner, files in os.walk(root, onerror=_closed, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        inner.sort()
        paths = (Path(folder, name) for name in files)
        named += [path for path in paths if path.suffix.lower() in PICTURE_SUFFIXES and _is_file_or_was(path)]
    named.sort()
    hidden = {path for path in named if is_hidden(path, root)}
    return PictureFiles(tuple(path for path in named if path not in hidden), tuple(sorted(hidden)))


def _is_file_or_was(path: Path) -> bool:
    """Whether it is a file, or a link to one that is gone, which is to be told rather than passed over."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _closed(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be read: {error.strerror}. Check its permissions.") from error


def is_hidden(path: Path, root: Path) -> bool:
    """Whether a file, or a folder of it below the root, is nothing for people."""
    return any(name.startswith(".") or name == "__MACOSX" for name in path.relative_to(root).parts)
