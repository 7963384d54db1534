"""Findings: frozen facts about the state of a project, each with its remedy and, where there is one, its repair."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["ok", "note", "problem"]
"""note: worth knowing, nothing is wrong or it mends itself."""


@dataclass(frozen=True)
class EndStudy:
    """Say the end of a study whose coordinator died, and send it."""

    study: str


@dataclass(frozen=True)
class SendOutbox:
    """Send what waits in a study's outbox."""

    study: str


@dataclass(frozen=True)
class CompleteOutbox:
    """Make anew what a study's outbox lost, and send it."""

    study: str


@dataclass(frozen=True)
class DeleteFiles:
    """Delete what a crash left behind."""

    files: tuple[Path, ...]


@dataclass(frozen=True)
class UpgradeSchema:
    """Upgrade the schema of a SQLite database, after a copy."""

    database: Literal["optuna", "mlflow"]


Repair = EndStudy | SendOutbox | CompleteOutbox | DeleteFiles | UpgradeSchema


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. remedy: what a person can do; repair: what --repair does, None if it can't."""

    level: Level
    subject: str
    found: str
    remedy: str = ""
    repair: Repair | None = None
