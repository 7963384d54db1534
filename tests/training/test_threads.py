"""Work side by side: each on its share of the threads, and all of it stops together."""

import threading
from collections.abc import Iterator

import pytest
import torch

from fer_sweep.training.threads import go_side_by_side, threads_each


@pytest.fixture(autouse=True)
def _four_threads() -> Iterator[None]:
    with threads_each(4):
        yield


def test_each_of_a_group_has_its_share_of_the_threads_and_afterwards_all_are_back() -> None:
    seen: list[tuple[int, int]] = []

    def course(number: int) -> Iterator[None]:
        torch.zeros(2, 2) @ torch.zeros(2, 2)
        seen.append((number, torch.get_num_threads()))
        yield

    go_side_by_side([course(i) for i in range(5)], at_once=2)

    assert sorted(seen) == [(0, 2), (1, 2), (2, 2), (3, 2), (4, 4)]
    assert torch.get_num_threads() == 4


def test_a_group_goes_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=60)

    def course() -> Iterator[None]:
        meeting.wait()
        yield

    go_side_by_side([course() for _ in range(3)], at_once=3)


@pytest.mark.parametrize("first", [True, False])
def test_what_one_raises_ends_the_others_after_their_step(first: bool) -> None:
    begun, failed = threading.Event(), threading.Event()
    steps: list[int] = []

    def failing() -> Iterator[None]:
        begun.wait(60)
        failed.set()
        raise ValueError("no more")
        yield

    def long() -> Iterator[None]:
        begun.set()
        failed.wait(60)
        while len(steps) < 10_000_000:
            steps.append(len(steps))
            yield

    with pytest.raises(ValueError, match="no more"):
        go_side_by_side([failing(), long()] if first else [long(), failing()], at_once=2)

    assert len(steps) < 10_000_000
    assert torch.get_num_threads() == 4
