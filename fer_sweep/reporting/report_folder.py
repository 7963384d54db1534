"""Where a report goes: its HTML file, and its parts as files beside it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_sweep.errors import StudyError
from fer_sweep.study.journal import write_atomically

MADE_BY = "Made by fer-sweep"
"""How the footer of a report begins, by which it is told from other files."""


class ReportFolder:
    """A folder that takes a report, and an earlier one as long as the new one is not finished. New parts are written to
    `parts`; `finish` puts all in its place.

    Raises StudyError if nothing can be written there, or if what is there under those names is no report of ours.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._report, self._parts = folder / "report.html", folder / "parts"
        self.parts = folder / ".parts.unfinished"
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
            taken = next((path for path in (self._report, self._parts) if path.exists()), None)
            if taken is not None and not _is_ours(self._report):
                raise StudyError(
                    f"{taken} is no part of a report of fer-sweep, and would be replaced by one. Move it away, or name "
                    "another folder with --output."
                )
            if self.parts.exists():
                shutil.rmtree(self.parts)
            self.parts.mkdir()

    def finish(self, html: str) -> Path:
        """Write the report, and replace the parts of an earlier one by the new. Returns the report's path."""
        with self._writing():
            write_atomically(self._report, html.encode())  # first: by it the parts are known as ours
            if self._parts.exists():
                shutil.rmtree(self._parts)
            self.parts.rename(self._parts)
        return self._report

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StudyError(
                f"the report cannot be written to {self._folder}: {error.strerror or error}. Name one that can be "
                "written to with --output."
            ) from error


def _is_ours(report: Path) -> bool:
    return report.is_file() and MADE_BY in report.read_text(encoding="utf-8", errors="replace")
