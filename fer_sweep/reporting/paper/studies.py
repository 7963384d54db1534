"""The paper's studies, found again in a home: trials by what they were given."""

from collections.abc import Mapping
from functools import cache

from fer_sweep.spec.search import Scalar
from fer_sweep.study.facts import load_facts
from fer_sweep.study.home import Home
from fer_sweep.study.measured import Measured, Reference, measured_in
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.stored import stored_study


class PaperStudy:
    """A study that has come to its end. It is read once, and so is every trial that is asked for.

    Raises StudyError if it is not there."""

    def __init__(self, name: str, home: Home) -> None:
        self._study, self._files = stored_study(home, name), home.study(name)
        self.facts = load_facts(name, self._files)
        self._measured = cache(self._read)

    def rows(self, where: Mapping[str, Scalar] | None = None) -> list[TrialRow]:
        """Complete trials with these values, by number."""
        wanted = (where or {}).items()
        return [row for row in self._study.rows if row.state == "complete" and wanted <= row.assignments.items()]

    def trials(self, where: Mapping[str, Scalar] | None = None) -> list[tuple[TrialRow, Measured]]:
        """The same with what was measured."""
        return [(row, self._measured(row.number)) for row in self.rows(where)]

    def trial(self, where: Mapping[str, Scalar] | None = None) -> Measured | None:
        """The one complete trial with these values; None if it did not end well."""
        found = self.rows(where)
        return self._measured(found[0].number) if found else None

    def _read(self, number: int) -> Measured:
        return measured_in(self._study, self.facts, self._files, Reference(self.facts.name, "search", number))
