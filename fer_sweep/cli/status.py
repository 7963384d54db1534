"""fer-sweep status: what there is, and how far it is."""

import json
from collections import Counter
from dataclasses import asdict

from rich.table import Table

from fer_sweep.cli import tables
from fer_sweep.cli.console import out
from fer_sweep.study.database import name_of
from fer_sweep.study.home import Home
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.store import StoredStudy, stored_studies, stored_study
from fer_sweep.study.summary import Summary


def show_status(name: str | None, *, home: Home, as_json: bool) -> None:
    """All studies in a table, or one study's ranking. Raises StudyError for a study that does not exist."""
    if name is None:
        studies = stored_studies(home)
        if as_json:
            out.print_json(json.dumps([_as_json(study) for study in studies]))
        elif not studies:
            out.print(
                f"No studies in {name_of(home)} yet. Start one: fer-sweep run sweeps/quickstart.yaml", soft_wrap=True
            )
        else:
            out.print(_overview(studies))
        return
    study = stored_study(home, name)
    if as_json:
        out.print_json(json.dumps(_as_json(study)))
        return
    out.print(_overview([study]))
    if study.best is not None:
        summary = Summary(study.name, study.metric, study.goal, study.rows, (), (), "")
        out.print(tables.ranking(out, summary, top=20))


def _overview(studies: list[StoredStudy]) -> Table:
    table = tables.empty_table()
    for column in ("study", "done", "pruned", "failed", "open", "best", "base"):
        if column == "study":
            table.add_column(column, overflow="fold")
        else:
            table.add_column(column, justify="right", no_wrap=True)
    for study in studies:
        counts = Counter(row.state for row in study.rows)
        cells = [str(counts[state]) for state in ("complete", "pruned", "failed", "running")]
        table.add_row(study.name, *cells, _percent(study.best), _percent(study.base))
    return table


def _percent(row: TrialRow | None) -> str:
    return "–" if row is None or row.mean is None else f"{100 * row.mean:.2f} %"


def _as_json(study: StoredStudy) -> dict[str, object]:
    return {
        "study": study.name,
        "metric": study.metric,
        "goal": study.goal,
        "states": dict(Counter(row.state for row in study.rows)),
        "best": None if study.best is None else asdict(study.best),
        "trials": [asdict(row) for row in study.rows],
    }
