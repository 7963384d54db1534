"""`--set path=value` on top of a sweep file."""

from collections.abc import Mapping, Sequence
from typing import Any

from fer_sweep.errors import SpecError
from fer_sweep.spec.configuration import switched
from fer_sweep.spec.fields import SECTIONS
from fer_sweep.spec.parameters import KEYS, ROOT
from fer_sweep.spec.problems import Path, Place, Problem, Problems
from fer_sweep.spec.source import read_text


def apply_overrides(
    data: dict[str, Any], overrides: Sequence[str], environ: Mapping[str, str], problems: Problems
) -> None:
    """Put the overrides into a file's data, later ones over earlier ones. Changes of variant come first, so that
    `--set removal.alpha=2 --set removal.rule=bdr` means the same in either order. Unreadable overrides are collected
    as problems; whether the paths exist is found when the whole is checked."""
    parsed = [found for text in overrides if (found := _parsed(text, environ, problems)) is not None]
    discriminators = {section.discriminator_path for section in SECTIONS.values() if section.discriminator}
    for path, value, place in sorted(parsed, key=lambda item: ".".join(item[0]) not in discriminators):
        _put(data, path, value)
        for known in [known for known in problems.places if known[: len(path)] == path]:
            del problems.places[known]
        problems.places[path] = place
        problems.places.setdefault(path[:1], place)


def _parsed(text: str, environ: Mapping[str, str], problems: Problems) -> tuple[Path, Any, Place] | None:
    place = Place(f"--set {text}")
    dotted, equals, written = text.partition("=")
    path = _path(dotted.strip())
    if not equals or not all(path):
        message = "an override is a dotted path, = and a value, such as --set train.epochs=500"
        problems.found.append(Problem(place.file, None, "", None, message))
        return None
    problems.forget(path)  # such as an environment variable of the file that is not set, and no longer needed
    try:
        document = read_text(written, place.file, environ, lines=False)
    except SpecError as error:
        problems.found.append(Problem("", None, "", None, str(error)))
        return None
    for problem in document.problems.found:
        inner = f".{problem.path}" if problem.path else ""
        problems.found.append(
            Problem(place.file, None, dotted + inner, problem.value, problem.message, problem.allowed, problem.nearest)
        )
    return path, document.data, place


def _path(dotted: str) -> Path:
    head, _, rest = dotted.partition(".")
    if head != ROOT or not rest:
        return tuple(dotted.split("."))
    name, _, key = rest.rpartition(".")
    return (ROOT, name, key) if name and key in KEYS else (ROOT, rest)


def _put(data: dict[str, Any], path: Path, value: Any) -> None:
    section = SECTIONS.get(path[0])
    if section is not None and section.discriminator is not None and len(path) == 2:
        values = data.get(path[0])
        if values is None:
            values = {section.discriminator: section.default} if section.default else {}
        if path[1] == section.discriminator and isinstance(values, dict):
            data[path[0]] = switched(values, path[0], value)
            return
        data[path[0]] = values
    inner = data
    for key in path[:-1]:
        if not isinstance(inner.get(key), dict):
            inner[key] = {}
        inner = inner[key]
    inner[path[-1]] = value
