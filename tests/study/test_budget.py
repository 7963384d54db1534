"""Budgets count training time, over restarts too."""

from pathlib import Path

import pytest

from fer_sweep.spec.search import Budget as BudgetSpec
from fer_sweep.study.budget import Budget


def test_only_time_between_begin_and_ticks_counts(tmp_path: Path) -> None:
    budget = Budget(BudgetSpec(max_hours=10 / 3600), tmp_path / "spent.json", gpus=0)
    budget.begin(100.0)
    budget.tick(105.0)
    budget.begin(1000.0)
    budget.tick(1004.9)
    assert budget.exceeded() is None
    budget.tick(1005.1)
    assert budget.exceeded() == "budget.max_hours: 0.00277778"


def test_seconds_are_kept_over_restarts(tmp_path: Path) -> None:
    spec = BudgetSpec(max_hours=1.0)
    for begin in (0.0, 10_000.0):
        budget = Budget(spec, tmp_path / "spent.json", gpus=0)
        assert budget.exceeded() is None
        budget.begin(begin)
        budget.tick(begin + 1800.0)
    assert Budget(spec, tmp_path / "spent.json", gpus=0).exceeded() == "budget.max_hours: 1"


def test_less_than_a_second_is_written_when_asked(tmp_path: Path) -> None:
    spec = BudgetSpec(max_hours=0.5 / 3600)
    budget = Budget(spec, tmp_path / "spent.json", gpus=0)
    budget.begin(0.0)
    budget.tick(0.9)
    assert not (tmp_path / "spent.json").exists()
    budget.save()
    assert Budget(spec, tmp_path / "spent.json", gpus=0).exceeded() is not None


@pytest.mark.parametrize(
    ("gpus", "reason"), [(0, None), (1, "budget.max_gpu_hours: 1"), (4, "budget.max_gpu_hours: 1")]
)
def test_gpu_hours_count_gpus(tmp_path: Path, gpus: int, reason: str | None) -> None:
    budget = Budget(BudgetSpec(max_gpu_hours=1.0), tmp_path / "spent.json", gpus=gpus)
    budget.begin(0.0)
    budget.tick(3600.0)
    assert budget.exceeded() == reason


def test_no_budget_is_never_exceeded(tmp_path: Path) -> None:
    budget = Budget(BudgetSpec(), tmp_path / "spent.json", gpus=1)
    budget.begin(0.0)
    budget.tick(1e9)
    assert budget.exceeded() is None
