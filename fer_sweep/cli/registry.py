"""fer-sweep demote and history: the way back of an alias, and how it came to be where it is."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from fer_sweep.cli import tables
from fer_sweep.cli.console import out
from fer_sweep.study.home import Home
from fer_sweep.tracking.address import existing_store
from fer_sweep.tracking.client import open_client
from fer_sweep.tracking.registry import Move, Registry, Version, check_alias, to_the_minute
from fer_sweep.tracking.rollback import demote


def demote_model(
    name: str, *, alias: str, to: int | None, reason: str, tracking_uri: str | None, home: Path, as_json: bool
) -> None:
    """Give an alias back to a version that had it before, and say so."""
    check_alias(alias)
    registry = Registry(open_client(existing_store(tracking_uri, Home(home), wanted=name)), name)
    rollback = demote(registry, alias, why=reason or "rolled back", to=to)
    move = rollback.move
    if as_json:
        out.print_json(json.dumps({"model": name, **asdict(move), "passed_over": rollback.passed_over}))
        return
    after = next(version for version in registry.versions() if version.number == move.after)
    out.print(f"{name}@{alias} is version {after.number} again ({after.origin}); it was version {move.before}.",
              soft_wrap=True)  # fmt: skip
    for number in rollback.passed_over:
        out.print(
            f"note: version {number}, which had it in between, was forced against the gate and is passed over; "
            f"--to {number} takes it.",
            style="yellow",
            soft_wrap=True,
        )
    if move.forced:
        out.print(f"note: version {move.after} was forced against the gate.", style="yellow", soft_wrap=True)


def show_history(name: str, *, tracking_uri: str | None, home: Path, as_json: bool) -> None:
    """The versions of a model and every move of its aliases. Raises StudyError for a model that does not exist."""
    registry = Registry(open_client(existing_store(tracking_uri, Home(home), wanted=name)), name)
    registry.require()
    versions, moves = registry.versions(), registry.moves()
    if as_json:
        content = {"versions": [asdict(v) for v in versions], "moves": [asdict(move) for move in moves]}
        out.print_json(json.dumps({"model": name, **content}))
        return
    out.print(_table(versions))
    for alias, number in _moved_by_hand(versions, moves).items():
        out.print(f"note: {alias} was moved to version {number} by other hands than fer-sweep's, without a reason.",
                  style="yellow", soft_wrap=True)  # fmt: skip
    for move in reversed(moves):
        before = "nobody" if move.before is None else f"version {move.before}"
        kind = f"forced by {move.user}" if move.forced else f"{move.kind}d by {move.user}"
        out.print(f"{move.when}  {move.alias}: {before} -> version {move.after}, {kind}: {move.why}", soft_wrap=True)


def _moved_by_hand(versions: Sequence[Version], moves: Sequence[Move]) -> dict[str, int]:
    """Aliases that are not where their last move took them, and where they are."""
    last = {move.alias: move.after for move in moves}
    held = {alias: version.number for version in versions for alias in version.held}
    return {alias: number for alias, number in held.items() if last.get(alias) != number}


def _table(versions: Sequence[Version]) -> Table:
    table = tables.empty_table()
    table.add_column("version", justify="right", no_wrap=True)
    for column in ("alias", "trial", "created (UTC)", "gate", "difference, points", "against"):
        table.add_column(column, overflow="fold")
    for version in reversed(versions):
        tags = version.tags
        champion = tags.get("fer.gate.champion")
        table.add_row(
            str(version.number),
            " ".join(version.aliases),
            f"{tags['fer.study']}/{tags['fer.trial']}" if "fer.study" in tags else "?",
            to_the_minute(version.created),
            tags.get("fer.gate", "not finished"),
            tags.get("fer.gate.difference", ""),
            "" if champion is None else f"version {champion}",
        )
    return table
