"""Tables for people: the ranked trials and the confirmation."""

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from fer_sweep.study.rows import TrialRow
from fer_sweep.study.summary import Summary, answer
from fer_sweep.study.wording import percent, points, setting, trial_name


def print_result(console: Console, summary: Summary, *, top: int = 10) -> None:
    """Print what `run` ends with: the ranking, the confirmation, the answer, and what to know before believing it."""
    if summary.best is not None:
        console.print(ranking(console, summary, top=top))
    if summary.confirmed:
        console.print(confirmation(summary))
    console.print(Text(answer(summary), style="bold"))
    for label in summary.labels:
        console.print(Text(f"note: {label}", style="yellow"))


def ranking(console: Console, summary: Summary, *, top: int) -> RenderableType:
    """The best trials and the base, best first: a column per parameter where the console has room for all of them,
    otherwise one column of assignments."""
    order = summary.ranked
    places = {row.number: place for place, row in enumerate(order, start=1)}
    shown = [row for row in order if places[row.number] <= top or row.is_base]
    table = _wide(shown, places)
    if Measurement.get(console, console.options.update(max_width=10_000), table).maximum > console.width:
        table = _narrow(shown, places)
    parts: list[RenderableType] = [
        Text(f"{summary.study}: {summary.searched} by trial, % (spread: deviation over repeats, n: networks)"),
        table,
    ]
    rest = len(summary.rows) - len(shown)
    if rest > 0:
        parts.append(Text(f"and {rest} more {'trial' if rest == 1 else 'trials'}\n", style="dim"))
    return Group(*parts)


def confirmation(summary: Summary) -> RenderableType:
    """The confirmed configurations against the base, on splits the search never saw."""
    table = empty_table()
    for name in ("trial", "mean", "spread", "n", "against base", "95 % interval", "p (Holm)"):
        table.add_column(name, justify="right")
    for one in summary.confirmed:
        number = one.trial.number
        score = (percent(one.metric.mean), percent(one.metric.spread), str(one.metric.n))
        if one.comparison is None:
            table.add_row(trial_name(number), *score, style=_style(number))
        else:
            c = one.comparison
            interval = f"{points(c.low)} to {points(c.high)}"
            table.add_row(trial_name(number), *score, points(c.difference), interval, f"{c.p_holm:.2g}")
    return Group(Text(f"confirmed on fresh splits: {summary.metric}, %"), table)


def _wide(rows: Sequence[TrialRow], places: Mapping[int, int]) -> Table:
    paths = _paths(rows)
    table = _scores_table()
    for path in paths:
        table.add_column(path, justify="right", no_wrap=True)
    for row in rows:
        values = [setting(row.assignments[path]) if path in row.assignments else "" for path in paths]
        table.add_row(*_score(row, places), *values, style=_style(row.number))
    return table


def _narrow(rows: Sequence[TrialRow], places: Mapping[int, int]) -> Table:
    names = short_names(_paths(rows))
    table = _scores_table()
    table.add_column("configuration", overflow="fold")
    for row in rows:
        text = " ".join(f"{names[path]}={setting(value)}" for path, value in row.assignments.items())
        table.add_row(*_score(row, places), text, style=_style(row.number))
    return table


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """Dotted path -> its last part where no other path ends alike, else the path itself."""
    leaves = [path.rpartition(".")[2] for path in paths]
    return {path: leaf if leaves.count(leaf) == 1 else path for path, leaf in zip(paths, leaves, strict=True)}


def empty_table() -> Table:
    """A table as all of ours look: two spaces between columns, none around."""
    return Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def _scores_table() -> Table:
    table = empty_table()
    for name in ("rank", "trial", "mean", "spread", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _paths(rows: Sequence[TrialRow]) -> list[str]:
    return list(dict.fromkeys(path for row in rows for path in row.assignments))


def _score(row: TrialRow, places: Mapping[int, int]) -> tuple[str, ...]:
    return str(places[row.number]), trial_name(row.number), percent(row.mean), percent(row.spread), str(row.n)


def _style(number: int) -> str | None:
    return "cyan" if number == 0 else None
