"""YAML text to plain Python values, keeping the line at which every key was written."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from fer_sweep.errors import SpecError
from fer_sweep.spec.problems import Path, Place, Problem, Problems, nearest
from fer_sweep.spec.scalars import resolve_plain

DEEPEST = 20
"""Levels of nesting; a sweep file needs four."""

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<body>[^{}]*)\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Document:
    """What a YAML text says, and the problems met so far; `problems.places` knows the line of every key."""

    data: Any
    problems: Problems


def read_file(path: FilePath, environ: Mapping[str, str]) -> Document:
    """Parse a sweep file. Raises SpecError if it cannot be read, is not YAML, or is not a mapping."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        siblings = [str(other) for other in path.parent.glob("*.y*ml")]
        raise SpecError(str(_at(path, None, "there is no such file", nearest=nearest(str(path), siblings)))) from None
    except IsADirectoryError:
        raise SpecError(str(_at(path, None, "this is a folder; name a sweep file in it"))) from None
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8 text; save the file as UTF-8"
        raise SpecError(str(_at(path, None, message))) from None
    except OSError as error:
        raise SpecError(str(_at(path, None, f"the file cannot be read ({error.strerror})"))) from None
    return read_sweep(text, str(path), environ)


def read_sweep(text: str, file: str, environ: Mapping[str, str]) -> Document:
    """Parse the text of a sweep file. Raises SpecError if it is not YAML, or is not a mapping."""
    document = read_text(text, file, environ)
    if document.data is None:
        raise SpecError(str(_at(file, None, "the file is empty; a sweep file needs at least name and data")))
    if not isinstance(document.data, dict):
        raise SpecError(str(_at(file, 1, "the file is not a mapping; it must consist of lines like `name: my-sweep`")))
    return document


def read_text(text: str, file: str, environ: Mapping[str, str], *, lines: bool = True) -> Document:
    """Parse YAML 1.2 text with `${NAME}` and `${NAME:-default}` filled in. Syntax errors raise SpecError; duplicate
    keys and unset variables are collected. Without `lines` all places are `file` alone (a --set override)."""
    reader = _Reader(file, environ, lines=lines)
    try:
        return Document(reader.read(text), reader.problems)
    except MarkedYAMLError as error:
        raise SpecError(str(_syntax_problem(error, text, file, lines=lines))) from None
    except YAMLError as error:
        message = " ".join(str(error).split())
        raise SpecError(str(_at(file, None, f"this is not readable as YAML: {message}"))) from None


class _Reader:
    """Turns parser events into values. Written on events, not on ruamel's constructors, because those resolve more
    than YAML 1.2 asks for (dates, underscores) and give no lines for values."""

    def __init__(self, file: str, environ: Mapping[str, str], *, lines: bool) -> None:
        self.problems = Problems()
        self._file, self._environ, self._lines = file, environ, lines

    def read(self, text: str) -> Any:
        self.problems.places[()] = Place(self._file, 1 if self._lines else None)
        events: Iterator[Event] = YAML(typ="safe", pure=True).parse(text)
        next(events)
        if isinstance(next(events), StreamEndEvent):
            return None
        value = self._value(next(events), events, ())
        while not isinstance(event := next(events), StreamEndEvent):
            if not isinstance(event, DocumentEndEvent):
                raise self._refused(event, "a second document begins here; a sweep file holds one")
        return value

    def _value(self, event: Event, events: Iterator[Event], path: Path) -> Any:
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None) is not None:
            raise self._refused(
                event, "anchors and aliases (& and *) are not supported; write the value out, or quote it"
            )
        if (tag := getattr(event, "tag", None)) is not None:
            raise self._refused(event, f"tags are not supported ({tag}); remove it, or quote the value")
        if len(path) > DEEPEST:
            raise self._refused(event, f"nested deeper than {DEEPEST} levels")
        self.problems.places.setdefault(path, self._place(event))
        if isinstance(event, MappingStartEvent):
            return self._mapping(events, path)
        if isinstance(event, SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(event := next(events), SequenceEndEvent):
                items.append(self._value(event, events, (*path, str(len(items)))))
            return items
        assert isinstance(event, ScalarEvent)
        text = self._substituted(event.value, path)
        plain = event.style is None and event.implicit[0]
        return resolve_plain(text) if plain else text

    def _mapping(self, events: Iterator[Event], path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(events), MappingEndEvent):
            if not isinstance(event, ScalarEvent):
                raise self._refused(event, "a key must be a plain name, not a list or mapping (quote text with braces)")
            key = event.value
            if key in mapping:
                first = self.problems.places[(*path, key)]
                line = f"; the first is on line {first.line}" if self._lines else ""
                self._add(event, (*path, key), f"the key is written twice{line}. Keep one of them")
                self._value(next(events), events, (*path, f"{key} (again)"))
                continue
            self.problems.places[(*path, key)] = self._place(event)
            mapping[key] = self._value(next(events), events, (*path, key))
        return mapping

    def _substituted(self, text: str, path: Path) -> str:
        def replacement(match: re.Match[str]) -> str:
            if match["dollar"]:
                return "$"
            name, separator, default = match["body"].partition(":-")
            if not _NAME.fullmatch(name) or not match[0].endswith("}"):
                self.problems.add(
                    path,
                    f"'{match[0]}' is not an environment variable",
                    value=text,
                    allowed="Write ${NAME} or ${NAME:-default}; a literal $ is $$.",
                )
            elif name in self._environ:
                return self._environ[name]
            elif separator:
                return default
            else:
                self.problems.add(
                    path,
                    f"the environment variable {name} is not set",
                    value=text,
                    allowed=f"Set it (export {name}=...), or give a default: ${{{name}:-default}}.",
                )
            return match[0]

        return _VARIABLE.sub(replacement, text)

    def _place(self, event: Event) -> Place:
        return Place(self._file, event.start_mark.line + 1 if self._lines else None)

    def _add(self, event: Event, path: Path, message: str) -> None:
        place = self._place(event)
        self.problems.found.append(Problem(place.file, place.line, ".".join(path), None, message))

    def _refused(self, event: Event, message: str) -> SpecError:
        place = self._place(event)
        return SpecError(str(Problem(place.file, place.line, "", None, message)))


def _at(file: FilePath | str, line: int | None, message: str, *, nearest: str | None = None) -> Problem:
    return Problem(os.fspath(file), line, "", None, message, nearest=nearest)


def _syntax_problem(error: MarkedYAMLError, text: str, file: str, *, lines: bool) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = text.splitlines()[mark.line] if mark is not None and mark.line < len(text.splitlines()) else ""
    where = f" at column {mark.column + 1}" if mark is not None else ""
    problem = f"{error.problem or ''} {error.context or ''}".strip()
    if mark is not None and error.context_mark is not None and error.context_mark.line != mark.line and lines:
        problem += f" that begins in line {error.context_mark.line + 1}"
    if "\t" in line[: (mark.column if mark else 0) + 1]:
        message = f"a tab is used for indentation{where}; YAML allows spaces only"
    elif "${" in line:
        message = (
            f'YAML syntax error{where} ({problem}); put quotes around the variable: "${{NAME}}", or, where a number is '
            "wanted, write it outside of {...}, in a line of its own"
        )
    elif re.search(r"[:\-\[,]\s*[>|@`%&*!]", line):
        message = f"YAML syntax error{where} ({problem}); text that begins with a special character needs quotes"
    else:
        message = f"YAML syntax error{where}: {problem}"
    return _at(file, mark.line + 1 if lines and mark is not None else None, message)
