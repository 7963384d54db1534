"""The cores of this machine that a process may use."""

import os


def own_cores() -> list[int]:
    """Numbers of the cores that this process may use: those that it is kept to, or all where that cannot be known."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
