"""Where output goes: results to stdout, progress to stderr. rich respects NO_COLOR, pipes and the width.

Without markup, because notes and names from a sweep file may contain [brackets].
"""

from rich.console import Console

out = Console(highlight=False, markup=False)
err = Console(stderr=True, highlight=False, markup=False)


def warn(text: str) -> None:
    """Say what may go wrong, without ending for it."""
    err.print(f"warning: {text}", style="yellow", soft_wrap=True)
