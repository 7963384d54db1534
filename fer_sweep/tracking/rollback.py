"""The way back of an alias of a registered model."""

import time
from dataclasses import dataclass

from fer_sweep.errors import StudyError
from fer_sweep.tracking.registry import Move, Registry, forced_onto, user, way_back


@dataclass(frozen=True)
class Rollback:
    """An alias went back. passed_over: the versions that had it since, and were forced against the gate."""

    move: Move
    passed_over: tuple[int, ...]


def demote(registry: Registry, alias: str, *, why: str, to: int | None = None) -> Rollback:
    """Give an alias back to the version that had it before: to the last one that was not forced against the gate, if
    there is one, or to the one that is named.

    Raises StudyError if there is no such model, if nobody has the alias, or if nobody (or not the named one) had it
    before.
    """
    registry.require()
    versions = registry.versions()
    current = next((version for version in versions if alias in version.aliases), None)
    if current is None:
        known = ", ".join(sorted({a for version in versions for a in version.aliases})) or "none"
        raise StudyError(f"no version of {registry.name!r} has the alias {alias!r}. Its aliases: {known}.")
    existing = [version.number for version in versions]
    moves = registry.moves()
    before = way_back(moves, alias, current=current.number, existing=existing)
    if not before:
        raise StudyError(
            f"no version of {registry.name!r} that still exists was {alias} before version {current.number}, so there "
            "is none to go back to. Promote another configuration (fer-sweep promote STUDY), or take the alias away in "
            "the MLflow UI."
        )
    if to is not None and to not in before:
        raise StudyError(
            f"--to: version {to} is not one that was {alias} of {registry.name!r} before version {current.number} and "
            f"still exists. Those are, the latest first: {', '.join(map(str, before))}. fer-sweep promote STUDY makes "
            f"another configuration {alias}."
        )
    forced = forced_onto(moves, alias)
    after = to if to is not None else next((number for number in before if number not in forced), before[0])
    move = Move(
        "demote", alias, current.number, after, why, user(), time.time_ns() // 1_000_000, forced=after in forced
    )
    registry.move(move)
    return Rollback(move, tuple(number for number in before[: before.index(after)] if number in forced))
