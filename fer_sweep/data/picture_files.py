"""Which files are pictures, by their names."""

from dataclasses import dataclass
from pathlib import Path

from fer_sweep.spec.data import PICTURE_SUFFIXES


@dataclass(frozen=True)
class PictureFiles:
    """The pictures in a folder and its subfolders, by path. hidden: files that are named like pictures, but belong to
    an operating system or program: `._x.png` holds macOS's attributes of x.png."""

    files: tuple[Path, ...]
    hidden: tuple[Path, ...]


def picture_files(root: Path) -> PictureFiles:
    """Look for pictures."""
    named = [path for path in sorted(root.rglob("*")) if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()]
    hidden = {path for path in named if is_hidden(path, root)}
    return PictureFiles(tuple(path for path in named if path not in hidden), tuple(sorted(hidden)))


def is_hidden(path: Path, root: Path) -> bool:
    """Whether a file, or a folder of it below the root, is nothing for people."""
    return any(name.startswith(".") or name == "__MACOSX" for name in path.relative_to(root).parts)
