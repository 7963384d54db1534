"""What holds for all tests."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: as many tests as cores run side by side

LONGEST = (
    "test_readme", "test_outages", "test_interruptions", "test_benchmarks", "test_run", "test_promote", "test_paper",
    "test_steering", "test_postgres", "test_faults", "test_services", "test_tracker", "test_model_artifact",
    "test_server", "test_rebuild", "test_sweeps", "test_predict", "test_pool", "test_ray", "test_ray_nodes",
)  # fmt: skip
"""Files that take longest, which begin first: each is one worker's, and none should be left over at the end."""


def pytest_xdist_auto_num_workers() -> int:
    """More than there are cores: tests wait for servers and processes of their own for a third of the time."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(Path(item.path).stem, len(LONGEST)))  # others keep their order
