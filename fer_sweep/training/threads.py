"""How many threads torch computes with, and networks that train side by side on threads of their own."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


def compute_with(threads: int) -> None:
    """torch's operations on so many threads each, from now on."""
    torch.set_num_threads(threads)


@contextmanager
def threads_each(threads: int) -> Iterator[None]:
    """torch's operations on so many threads each, and afterwards as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def go_side_by_side(courses: Sequence[Iterator[None]], *, at_once: int) -> None:
    """Run iterators to their ends, `at_once` of them at a time, each on its share of torch's threads.

    Threads of one operation meet at a barrier after it, those of different networks never. What one iterator raises
    ends all, as does an interruption, after the step that they are at.
    """
    for begin in range(0, len(courses), at_once):
        group = courses[begin : begin + at_once]
        if len(group) == 1:
            for _ in group[0]:
                pass
        else:
            _go_together(group)


def _go_together(courses: Sequence[Iterator[None]]) -> None:
    stopped = threading.Event()

    def go(course: Iterator[None]) -> None:
        try:
            for _ in course:
                if stopped.is_set():
                    return
        except BaseException:
            stopped.set()
            raise

    share = max(1, torch.get_num_threads() // len(courses))
    with threads_each(share), ThreadPoolExecutor(len(courses)) as pool:
        try:
            for done in [pool.submit(go, course) for course in courses]:
                done.result()
        finally:
            stopped.set()  # an interruption ends the others too
