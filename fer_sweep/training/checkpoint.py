"""Checkpoints: a long trial on pictures goes on where it was interrupted, and ends as if it had not been.

One file per trial, whole or absent, of plain tensors and numbers: loading it runs no code. It is written while all
networks of the trial are still training; one that has to begin anew loses at most what came after.
"""

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from fer_sweep.training.cohort import Cohort
from fer_sweep.training.records import EpochReport, report_from

SECONDS = 30.0
"""Time between two checkpoints of a trial."""


@dataclass
class Checkpoint:
    """The checkpoint of one trial. key: hash of all that its course depends on."""

    file: Path
    key: str
    _last: float = field(default_factory=time.monotonic)

    def save(self, cohort: Cohort, reports: list[EpochReport]) -> None:
        """Write it, unless a network has ended already. One that the disk does not take is left out: the trial goes on
        without, and loses more should it be interrupted."""
        state = cohort.state()
        if state is None:
            return
        content = {"key": self.key, "cohort": state, "reports": json.dumps([asdict(report) for report in reports])}
        part = self.file.with_suffix(".part")
        self._last = time.monotonic()
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            torch.save(content, part)
            os.replace(part, self.file)
        except (OSError, RuntimeError):  # torch raises the second where writing fails
            with suppress(OSError):
                part.unlink(missing_ok=True)

    @property
    def due(self) -> bool:
        """Whether the last one is old enough for another."""
        return time.monotonic() - self._last >= SECONDS

    def restore(self, cohort: Cohort) -> list[EpochReport] | None:
        """Let the cohort go on from the checkpoint and return what was reported up to there; None, and nothing
        changed, if there is no checkpoint of this very trial."""
        try:
            content: Any = torch.load(self.file, map_location="cpu", weights_only=True)
        except Exception:  # of a damaged file, torch raises almost anything
            return None  # trained again, which costs time but never an answer
        if not isinstance(content, dict) or content.get("key") != self.key:
            return None
        cohort.restore(content["cohort"])
        return [report_from(entry) for entry in json.loads(content["reports"])]

    def delete(self) -> None:
        """The trial is over."""
        self.file.unlink(missing_ok=True)
