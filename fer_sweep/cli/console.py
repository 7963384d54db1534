"""Where output goes: results to stdout, progress to stderr. rich respects NO_COLOR, pipes and the width.

Without markup, because notes and names from a sweep file may contain [brackets].
"""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

out = Console(highlight=False, markup=False)
err = Console(stderr=True, highlight=False, markup=False)


def counting(console: Console) -> Progress:
    """Bars with counts and the time that is left, for work whose amount is known; nothing in a pipe."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
