"""The model registry: versions with an origin, aliases that move for a reason, and the way back.

Every move of an alias is a tag of the registered model (`fer.move.0001`, ...), written before the alias moves, so that
none is without a reason: what was there before, why it moved, who moved it and when. Where an alias would go back to
follows from them.
"""

import getpass
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from mlflow import MlflowClient

from fer_sweep.errors import StudyError
from fer_sweep.tracking.client import global_uri, store_errors

CHALLENGER = "challenger"
"""The alias of the version that was proposed last; whoever is promoted loses it."""
_MOVE = "fer.move."


@dataclass(frozen=True)
class Origin:
    """Where a model comes from. Two models of equal origin are the same, so only one of them is registered.
    trained_on: `all samples` or `fold R/F`."""

    study: str
    trial: int
    config_key: str
    data_fingerprint: str
    trained_on: str

    @property
    def tags(self) -> dict[str, str]:
        return {f"fer.{name}": str(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Version:
    """A version of a registered model. created: ms since 1970."""

    model: str
    number: int
    run_id: str
    created: int
    tags: Mapping[str, str]
    aliases: tuple[str, ...]

    @property
    def held(self) -> tuple[str, ...]:
        """The aliases that it was given, by a gate or by hand."""
        return tuple(alias for alias in self.aliases if alias != CHALLENGER)

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        if "fer.study" not in self.tags:
            return "not registered by fer-sweep"
        return f"trial {self.tags['fer.trial']} of study {self.tags['fer.study']}"


@dataclass(frozen=True)
class Move:
    """An alias moved. before, after: versions; before is None if it was new. at: ms since 1970."""

    kind: Literal["promote", "demote"]
    alias: str
    before: int | None
    after: int
    why: str
    user: str
    at: int
    forced: bool = False

    def is_like(self, other: "Move") -> bool:
        """Whether both take the same alias the same way: the second of two in a row had nothing left to move."""
        return (self.kind, self.alias, self.before, self.after) == (other.kind, other.alias, other.before, other.after)

    @property
    def when(self) -> str:
        """Its time in UTC."""
        return to_the_minute(self.at)


class Registry:
    """One registered model of an MLflow store, existing or not. Raises TrackingError when the store does not answer."""

    def __init__(self, client: MlflowClient, name: str) -> None:
        self._client, self.name = client, name

    # -- reading -----------------------------------------------------------------------------------------------------

    def require(self) -> None:
        """Raises StudyError, with the models that exist, if this one does not."""
        names = registered_names(self._client)
        if self.name not in names:
            known = ", ".join(sorted(names)) or "none yet; fer-sweep promote STUDY makes one"
            raise StudyError(f"no model is registered as {self.name!r}. Registered models: {known}.")

    def versions(self) -> list[Version]:
        """All versions, oldest first; none if the model does not exist."""
        if self.name not in registered_names(self._client):
            return []
        with self._errors():
            aliases = self.aliases()
            found = self._client.search_model_versions(f"name = '{self.name}'")
            versions = [
                Version(
                    self.name,
                    int(v.version),
                    v.run_id or "",
                    v.creation_timestamp,
                    dict(v.tags),
                    tuple(sorted(alias for alias, number in aliases.items() if number == int(v.version))),
                )
                for v in found
            ]
        return sorted(versions, key=lambda version: version.number)

    def aliases(self) -> dict[str, int]:
        """Alias -> version."""
        with self._errors():
            model = self._client.get_registered_model(self.name)
        return {alias: int(number) for alias, number in model.aliases.items()}

    def holder(self, alias: str) -> Version | None:
        """The version that has an alias."""
        return next((version for version in self.versions() if alias in version.aliases), None)

    def find(self, origin: Origin) -> Version | None:
        """The version of this origin, if it was registered before."""
        wanted = origin.tags.items()
        return next((version for version in self.versions() if wanted <= version.tags.items()), None)

    def moves(self) -> list[Move]:
        """Every move of an alias, oldest first."""
        with self._errors():
            tags = self._client.get_registered_model(self.name).tags
        return [Move(**json.loads(tags[key])) for key in sorted(tags) if key.startswith(_MOVE)]

    # -- writing -----------------------------------------------------------------------------------------------------

    def register(self, origin: Origin, source: str, run_id: str, tags: Mapping[str, str]) -> Version:
        """A new version from a logged model (models:/m-...)."""
        with self._errors(), global_uri(self._client.tracking_uri):
            if self.name not in registered_names(self._client):
                self._client.create_registered_model(self.name, tags={"fer.study": origin.study})
            created = self._client.create_model_version(
                self.name,
                source,
                run_id=run_id,
                tags={**tags, **origin.tags},
                model_id=source.removeprefix("models:/"),
            )
        number = int(created.version)
        return next(version for version in self.versions() if version.number == number)

    def propose(self, version: Version) -> None:
        """Make a version the challenger."""
        with self._errors():
            self._client.set_registered_model_alias(self.name, CHALLENGER, str(version.number))

    def annotate(self, version: Version, tags: Mapping[str, str], *, description: str | None) -> None:
        """Put tags and a description on a version; an empty tag is taken away, no description leaves it as it is."""
        number = str(version.number)
        with self._errors():
            for key, value in tags.items():
                if value:
                    self._client.set_model_version_tag(self.name, number, key, value)
                elif key in version.tags:
                    self._client.delete_model_version_tag(self.name, number, key)
            if description is not None:
                self._client.update_model_version(self.name, number, description)

    def move(self, move: Move) -> None:
        """Move an alias, and remember it. A move that the store broke off is made again under its number."""
        with self._errors():
            moves = self.moves()
            if moves and moves[-1].is_like(move):
                del moves[-1]
            self._client.set_registered_model_tag(self.name, f"{_MOVE}{len(moves) + 1:04d}", json.dumps(asdict(move)))
            self._client.set_registered_model_alias(self.name, move.alias, str(move.after))
            if move.kind == "promote" and self.aliases().get(CHALLENGER) == move.after:
                self._client.delete_registered_model_alias(self.name, CHALLENGER)
            self._client.update_registered_model(self.name, _model_note([*moves, move]))

    def _errors(self) -> AbstractContextManager[None]:
        return store_errors(self._client.tracking_uri, "Run the same command again once it does.")


def check_alias(alias: str) -> None:
    """Raises StudyError if an alias is not one to be given: MLflow's own, and the challenger's."""
    if alias in (CHALLENGER, "latest") or not re.fullmatch(r"(?!v\d+$)[A-Za-z0-9_-]{1,255}", alias):
        raise StudyError(
            f"--alias: {alias!r} cannot be given. {CHALLENGER!r} is the version in front of the gate, 'latest' and v1, "
            "v2, ... are MLflow's own; use letters, digits, _ and -, as in champion."
        )


def registered_names(client: MlflowClient) -> set[str]:
    """Names of all registered models."""
    names: set[str] = set()
    token = None
    with store_errors(client.tracking_uri, "Start it, or correct --tracking-uri (or MLFLOW_TRACKING_URI)."):
        while True:
            page = client.search_registered_models(page_token=token)
            names |= {model.name for model in page}
            token = page.token
            if not token:
                return names


def to_the_minute(at: int) -> str:
    """A time (ms since 1970) in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def user() -> str:
    """Who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"user {os.getuid()}"


def way_back(moves: Iterable[Move], alias: str, *, current: int, existing: Iterable[int]) -> list[int]:
    """The versions an alias had before the current one, the latest first, as far as they still exist. What was moved by
    hand in the UI counts as a move that nobody explained."""
    stack: list[int] = []
    for move in (move for move in moves if move.alias == alias):
        if move.kind == "promote":
            if move.before is not None and stack[-1:] != [move.before]:
                stack.append(move.before)
            stack.append(move.after)
        else:
            while stack and stack[-1] != move.after:
                stack.pop()
            stack = stack or [move.after]
    there = set(existing) - {current}
    return list(dict.fromkeys(number for number in reversed(stack) if number in there))


def forced_onto(moves: Iterable[Move], alias: str) -> set[int]:
    """The versions that an alias was moved to against the gate, and that the gate did not accept later."""
    last = {move.after: move.forced for move in moves if move.alias == alias and move.kind == "promote"}
    return {number for number, forced in last.items() if forced}


def _model_note(moves: Iterable[Move]) -> str:
    """The description of a registered model: the history of its aliases, newest first."""
    rows = []
    for move in reversed(list(moves)):
        version = f"{'–' if move.before is None else move.before} → **{move.after}**"
        why = ("**forced**: " if move.forced else "") + " ".join(move.why.replace("|", "/").split())
        rows.append([move.when, move.alias, version, move.user, why])
    return markdown_table(["when (UTC)", "alias", "version", "by", "why"], rows)


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in markdown. Its cells are padded with spaces that stay: the UI's tables have no room between columns."""
    lines = ("|" + "|".join(f"{cell}\u00a0\u00a0\u00a0" for cell in row) + "|" for row in (columns, *rows))
    head, *body = lines
    return "\n".join([head, "|" + ":--|" * len(columns), *body])
