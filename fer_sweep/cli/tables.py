"""Tables for people: the ranked trials and the confirmation."""

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from fer_sweep.spec.search import Scalar
from fer_sweep.study.rows import TrialRow, ranked
from fer_sweep.study.summary import Summary, answer


def result(summary: Summary, *, top: int = 10) -> RenderableType:
    """What `run` ends with: the ranking, the confirmation, the answer, and what to know before believing it."""
    parts: list[RenderableType] = [ranking(summary, top=top)]
    if summary.confirmed:
        parts.append(confirmation(summary))
    parts.append(Text(answer(summary), style="bold"))
    parts += [Text(f"note: {label}", style="yellow") for label in summary.labels]
    return Group(*parts)


def ranking(summary: Summary, *, top: int) -> Table:
    """The best trials and the base, best first."""
    order = ranked(summary.rows, "maximize" if summary.goal == "maximize" else "minimize")
    places = {row.number: place for place, row in enumerate(order, start=1)}
    shown = [row for row in order if places[row.number] <= top or row.is_base]
    rest = len(summary.rows) - len(shown)
    table = Table(
        title=f"{summary.study}: {summary.metric} by trial, % (spread: deviation over repeats, n: networks)",
        caption=f"{rest} more trials" if rest > 0 else None,
        box=SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
    )
    paths = list(dict.fromkeys(path for row in shown for path in row.assignments))
    for name in ("rank", "trial", "mean", "spread", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    for path in paths:
        table.add_column(path, justify="right", overflow="fold")
    for row in shown:
        cells = [str(places[row.number]), "base" if row.is_base else str(row.number), *_score(row)]
        table.add_row(*cells, *(_value(row.assignments.get(path)) for path in paths), style="cyan" if row.is_base else None)
    return table


def confirmation(summary: Summary) -> Table:
    """The confirmed configurations against the base, on splits the search never saw."""
    table = Table(
        title=f"confirmed on fresh splits: {summary.metric}, %", box=SIMPLE_HEAD, title_justify="left"
    )
    for name in ("trial", "mean", "spread", "n", "against base", "95 % interval", "p (Holm)"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in summary.confirmed:
        mean, spread = f"{100 * one.metric.mean:.2f}", "–" if one.metric.spread is None else f"{100 * one.metric.spread:.2f}"
        if one.comparison is None:
            table.add_row("base", mean, spread, str(one.metric.n), "", "", "", style="cyan")
        else:
            c = one.comparison
            table.add_row(
                str(one.trial.number), mean, spread, str(one.metric.n), f"{100 * c.difference:+.2f}",
                f"{100 * c.low:+.2f} to {100 * c.high:+.2f}", f"{c.p_holm:.2g}",
            )  # fmt: skip
    return table


def _score(row: TrialRow) -> tuple[str, str, str]:
    assert row.mean is not None
    return f"{100 * row.mean:.2f}", "–" if row.spread is None else f"{100 * row.spread:.2f}", str(row.n)


def _value(value: Scalar | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def print_result(console: Console, summary: Summary) -> None:
    """Print what `run` ends with."""
    console.print(result(summary))
