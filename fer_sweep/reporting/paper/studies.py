"""The paper's studies, found again in a home: trials by what they were given."""

from collections.abc import Mapping
from dataclasses import dataclass

from fer_sweep.spec.search import Scalar
from fer_sweep.study.facts import StudyFacts, load_facts
from fer_sweep.study.home import Home, StudyFiles
from fer_sweep.study.measured import Measured, Reference, load_measured
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.store import stored_study


@dataclass(frozen=True)
class PaperStudy:
    """A study that has come to its end."""

    facts: StudyFacts
    rows: tuple[TrialRow, ...]
    home: Home

    @property
    def files(self) -> StudyFiles:
        return self.home.study(self.facts.name)

    def trials(self, where: Mapping[str, Scalar] | None = None) -> list[tuple[TrialRow, Measured]]:
        """Complete trials with these values, by number."""
        wanted = (where or {}).items()
        rows = [row for row in self.rows if row.state == "complete" and wanted <= row.assignments.items()]
        return [(row, load_measured(Reference(self.facts.name, "search", row.number), self.home)) for row in rows]

    def trial(self, where: Mapping[str, Scalar] | None = None) -> Measured | None:
        """The one complete trial with these values; None if it did not end well."""
        found = self.trials(where)
        return found[0][1] if found else None


def paper_study(name: str, home: Home) -> PaperStudy:
    """A study by name. Raises StudyError if it is not there."""
    study = stored_study(home, name)
    return PaperStudy(load_facts(name, home.study(name)), study.rows, home)
