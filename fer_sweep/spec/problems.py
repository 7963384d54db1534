"""Problems of a sweep file: collected while it is read and checked, reported together in one SpecError."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from fer_sweep.errors import SpecError

Path = tuple[str, ...]
"""Keys from the top of a sweep file; a parameter's dotted name is one key: ("parameters", "train.epochs", "min")."""


@dataclass(frozen=True)
class Place:
    """Where something was written: a file and line, or a `--set` override (no line)."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Problem:
    """One mistake. `allowed` is a sentence or empty, `nearest` a known name; `file` is empty when nothing was read."""

    file: str
    line: int | None
    path: str
    value: object
    message: str
    allowed: str = ""
    nearest: str | None = None

    def __str__(self) -> str:
        where = [str(Place(self.file, self.line))] if self.file else []
        message = self.message if self.message.endswith((".", "?", "!")) else self.message + "."
        question = [f"Did you mean {self.nearest}?"] if self.nearest else []
        text = ": ".join([*where, *([self.path] if self.path else []), message])
        return " ".join([text, *question, *([self.allowed] if self.allowed else [])])


class Problems:
    """The problems found so far, and the place at which every key was written."""

    def __init__(self, places: Mapping[Path, Place] | None = None) -> None:
        self.places: dict[Path, Place] = dict(places or {})
        self.found: list[Problem] = []
        self._paths: set[Path] = set()

    def add(
        self, path: Path, message: str, *, value: object = None, allowed: str = "", nearest: str | None = None
    ) -> None:
        """Note a problem at `path`; its place is the path's own, or that of the nearest key around it."""
        place = self.place(path)
        self._paths.add(path)
        problem = Problem(place.file, place.line, ".".join(path), value, message, allowed, nearest)
        if problem not in self.found:
            self.found.append(problem)

    def forget(self, path: Path) -> None:
        """Drop what was found at `path` or below it: the value has been replaced."""
        self._paths = {known for known in self._paths if known[: len(path)] != path}
        dotted = ".".join(path)
        self.found = [p for p in self.found if p.path != dotted and not p.path.startswith(f"{dotted}.")]

    def touches(self, path: Path) -> bool:
        """Whether `path`, or a part of it, already has a problem: another message about it would be noise."""
        return any(known[: len(path)] == path for known in self._paths)

    def place(self, path: Path) -> Place:
        """Where `path` was written, or else the innermost key around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return Place("")

    def raise_any(self) -> None:
        """Raise one SpecError with all problems in the order of the file, if there are any."""
        if self.found:
            raise SpecError("\n".join(str(problem) for problem in sorted(self.found, key=_position)))


def _position(problem: Problem) -> tuple[bool, int]:
    return problem.line is None, problem.line or 0


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be: a spelling close to it, or its initials (lr)."""
    names = list(known)
    initials = [option for option in names if name == "".join(word[0] for word in option.split("_") if word)]
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    found = close or initials
    return found[0] if found else None


def listed(names: Iterable[str], *, word: str = "or") -> str:
    """`a, b or c`."""
    items = list(names)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}" if items else ""
