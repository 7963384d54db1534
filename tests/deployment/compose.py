"""docker-compose.yml as Compose reads it: variables resolved, override files merged. No Docker is needed for that."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent.parent
COMPOSE, GPU = ROOT / "docker-compose.yml", ROOT / "docker-compose.gpu.yml"
SETTINGS = {"FER_SWEEP_UID": "1000", "FER_SWEEP_GID": "1000"}
"""What `make secrets` writes to .env."""

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?:(?P<operator>:[-?])(?P<rest>[^}]*))?\}|\$")


class MissingVariableError(ValueError):
    """A variable that Compose insists on is not set."""


def resolve(value: Any, variables: Mapping[str, str]) -> Any:
    """The value with ${NAME}, ${NAME:-default} and ${NAME:?message} replaced, as Compose does; $$ is a dollar sign."""
    if isinstance(value, dict):
        return {key: resolve(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, variables) for inner in value]
    return _VARIABLE.sub(lambda found: _replaced(found, variables), value) if isinstance(value, str) else value


def _replaced(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found[0] == "$$":
        return "$"
    name, operator, rest = found["name"], found["operator"], found["rest"]
    if name is None:
        raise ValueError(f"a lone dollar sign in {found.string!r}")
    if variables.get(name):
        return variables[name]
    if operator == ":?":
        raise MissingVariableError(f"{name}: {rest}")
    return rest if operator == ":-" else ""


def merged(base: Any, override: Any) -> Any:
    """Two compose files as one: mappings are merged, lists joined, everything else replaced."""
    if isinstance(base, dict) and isinstance(override, dict):
        both = {key: merged(base[key], override[key]) for key in base.keys() & override.keys()}
        return {**base, **override, **both}
    return [*base, *override] if isinstance(base, list) and isinstance(override, list) else override


def deployment(*files: Path, variables: Mapping[str, str] = SETTINGS) -> dict[str, Any]:
    """The compose file, with overrides, as plain data."""
    whole: dict[str, Any] = {}
    for file in files or (COMPOSE,):
        whole = merged(whole, resolve(YAML(typ="safe", pure=True).load(file), variables))
    return whole


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """(instruction, arguments) of a Dockerfile, continuation lines joined, comments left out."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined if line.strip()]


def dockerfile_of(service: Mapping[str, Any]) -> Path | None:
    """The Dockerfile that a service is built from; None for an image of somebody else's."""
    build = service.get("build")
    return None if build is None else ROOT / build["context"] / build.get("dockerfile", "Dockerfile")


def installed_scripts(dockerfile: Path, context: Path) -> dict[str, Path]:
    """Commands that an image installs: name on the PATH to file in the repository."""
    copies = [shlex.split(rest)[-2:] for name, rest in instructions(dockerfile) if name == "COPY"]
    return {Path(to).name: context / source for source, to in copies if to.startswith("/usr/local/bin/")}
