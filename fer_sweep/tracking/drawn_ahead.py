"""Artifacts of trials, drawn while the store is away.

Pictures are most of what a trial costs the writer. Drawn only after an outage, those of all its trials would be taken
from the training then, while the machine had time for them before.
"""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from fer_sweep.study.events import TrialFinished
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.home import StudyFiles
from fer_sweep.tracking.entries import to_event
from fer_sweep.tracking.outbox import read_outbox
from fer_sweep.tracking.trial_artifacts import draw_trial
from fer_sweep.tracking.upload import FOLDER_PREFIX

MOST = 32
"""Trials whose artifacts may wait: a megabyte or two each, and where temporary files lie in memory that is memory."""


class DrawnAhead:
    """Folders with the artifacts of finished trials, each known by where its entry ends in the outbox."""

    def __init__(self, facts: StudyFacts, files: StudyFiles) -> None:
        self._facts, self._files = facts, files
        self._root = tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX)
        self._looked = 0
        self._folders: dict[int, Path] = {}

    def draw_next(self, start: int) -> bool:
        """Draw the next trial after an offset of the outbox that is not drawn yet. Returns whether there was one."""
        if len(self._folders) >= MOST:
            return False
        for line in read_outbox(self._files.outbox, max(start, self._looked)):
            self._looked = line.end
            if line.entry is not None and line.entry.kind == "finished":
                event = to_event(line.entry, self._facts, self._files)
                assert isinstance(event, TrialFinished)
                folder = Path(self._root.name) / str(line.end)
                folder.mkdir()
                draw_trial(folder, event, self._facts, self._files)
                self._folders[line.end] = folder
                return True
        return False

    def folder(self, end: int) -> Path | None:
        """The artifacts of the trial whose entry ends there, if they are drawn."""
        return self._folders.get(end)

    def discard(self, end: int) -> None:
        """They are needed no more."""
        folder = self._folders.pop(end, None)
        if folder is not None:
            shutil.rmtree(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._root.cleanup()
