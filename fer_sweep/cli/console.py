"""Where output goes: results to stdout, progress to stderr. rich respects NO_COLOR, pipes and the width."""

from rich.console import Console

out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False)
