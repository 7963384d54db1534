"""How many threads torch computes with."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def compute_with(threads: int) -> None:
    """torch's operations on so many threads each, from now on."""
    torch.set_num_threads(threads)


@contextmanager
def one_thread() -> Iterator[None]:
    """torch's operations on a single thread each, and afterwards as before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
