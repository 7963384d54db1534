"""The cache of a home, for verbs that can do without."""

from pathlib import Path

from fer_sweep.cli.console import err
from fer_sweep.data.cache import Cache
from fer_sweep.study.home import Home


def usable_cache(home: Path) -> Cache | None:
    """The home's cache; None, and a warning, where it cannot be written."""
    cache = Cache(Home(home).cache)
    reason = cache.why_closed()
    if reason is None:
        return cache
    err.print(
        f"warning: {cache.folder} cannot be written ({reason}), so nothing is remembered from one call to the next. "
        "--home names another place.",
        style="yellow",
        soft_wrap=True,
    )
    return None
