"""fer-sweep status: what there is, and how far it is."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fer_sweep.cli import tables
from fer_sweep.cli.console import out
from fer_sweep.study.database import name_of
from fer_sweep.study.home import Home
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.standing import Standing, standings
from fer_sweep.study.stored import StoredStudy
from fer_sweep.study.summary import Summary, describe

WATCH_SECONDS = 1.0


def show_status(name: str | None, *, watch: bool, home: Home, as_json: bool) -> None:
    """All studies in a table, or one study's ranking; with `watch` again and again until Ctrl-C. Raises StudyError for
    a study that does not exist."""
    if watch:
        _watch(name, home, as_json=as_json)
    elif as_json:
        out.print_json(_json(name, home))
    else:
        out.print(_page(standings(home, name), home, one=name is not None))


def _watch(name: str | None, home: Home, *, as_json: bool) -> None:
    """A page that stays up to date in a terminal; in a pipe a page, or with JSON a line, whenever something changed."""
    try:
        if out.is_terminal and not as_json:
            with Live(console=out, auto_refresh=False, vertical_overflow="crop") as live:
                while True:
                    live.update(_page(standings(home, name), home, one=name is not None), refresh=True)
                    time.sleep(WATCH_SECONDS)
        before: str | None = None
        while True:
            now = _json(name, home)
            if now != before:
                if as_json:
                    typer.echo(now)
                else:
                    out.print(_page(standings(home, name), home, one=name is not None))
                before = now
                sys.stdout.flush()
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return


def _json(name: str | None, home: Home) -> str:
    found = [_as_json(standing) for standing in standings(home, name)]
    return json.dumps(found if name is None else found[0])


def _page(found: Sequence[Standing], home: Home, *, one: bool) -> RenderableType:
    if not found:
        return Text(f"No studies in {name_of(home)} yet. Start one: fer-sweep run sweeps/quickstart.yaml")
    parts: list[RenderableType] = [_overview([standing.study for standing in found])]
    parts += [Text(text) for standing in found for text in _steered(standing)]
    if one and found[0].study.best is not None:
        study = found[0].study
        summary = Summary(study.name, study.metric, study.goal, study.rows, (), (), "", part=study.part)
        parts.append(tables.ranking(out, summary, top=20))
    return Group(*parts)


def _steered(standing: Standing) -> Iterator[str]:
    """What tables do not say: who runs a study, and what it has been ordered to do."""
    name = standing.study.name
    if standing.run_by is not None:
        yield f"{name} is run by {standing.run_by}."
    if standing.paused is not None:
        yield f"{name} is paused since {standing.paused}: fer-sweep resume {name}."
    for order in standing.waiting:
        yield f"{name}: {order.origin if order.trial is not None else describe(order.assignments)} is next."


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


def _as_json(standing: Standing) -> dict[str, object]:
    study = standing.study
    return {
        "study": study.name,
        "metric": study.metric,
        "goal": study.goal,
        "part": study.part,
        "states": dict(Counter(row.state for row in study.rows)),
        "best": None if study.best is None else asdict(study.best),
        "run_by": standing.run_by,
        "paused_since": standing.paused,
        "waiting": [{"order": o.origin, "assignments": dict(o.assignments)} for o in standing.waiting],
        "trials": [asdict(row) for row in study.rows],
    }
