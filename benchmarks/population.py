"""How fast networks train: the plain PyTorch loop a user would write, the torch engine, and the fused engine.

    python benchmarks/population.py [--quick]

All take turns within each round, so that a machine shared with others slows all of them alike; a ratio is the median of
the rounds' ratios. The task is the paper's: 338 samples (half of SFEW), 10 features, 7 classes, full batch, Adam.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numba
import numpy as np
import torch
from torch.nn import functional

from fer_sweep.models.mlp import as_module, initial_weights
from fer_sweep.spec.trial import TrainConfig
from fer_sweep.training.cohort import CPU_BYTES
from fer_sweep.training.fused import FusedPopulation
from fer_sweep.training.population import Member, Population

SAMPLES, FEATURES, CLASSES = 338, 10, 7
CPU = torch.device("cpu")

Run = Callable[[], float]
"""Trains for a while and says how many microseconds a network took per epoch."""


def make_members(count: int, hidden: int) -> list[Member]:
    """Networks to train on features with some class structure, each with its own split and initial weights."""
    random = np.random.default_rng(0)
    centers = random.normal(size=(CLASSES, FEATURES))
    members = []
    for number in range(count):
        y = random.integers(0, CLASSES, SAMPLES)
        x = (random.normal(size=(SAMPLES, FEATURES)) + centers[y]).astype(np.float32)
        weights = initial_weights(features=FEATURES, hidden_units=hidden, classes=CLASSES, seed=number)
        members.append(Member(weights, TrainConfig(), x, y, (x[:1],), random))
    return members


def timed(work: Callable[[], object], network_epochs: int) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) / network_epochs * 1e6


def train_plainly(member: Member, epochs: int) -> tuple[list[float], list[float]]:
    """What a user would write to get the same: the loss and, because BDR watches it, the variance of the samples'
    losses at every epoch. Without the variance it is a few percent faster."""
    net = as_module(member.weights)
    optimizer = torch.optim.Adam(net.parameters(), lr=member.train.learning_rate)
    x, y = torch.from_numpy(member.x), torch.from_numpy(member.y)
    means, variances = [], []
    for _ in range(epochs):
        optimizer.zero_grad()
        losses = functional.cross_entropy(net(x), y, reduction="none")
        loss = losses.mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        means.append(loss.item())
        variances.append(losses.detach().var(correction=0).item())
    return means, variances


def plain(members: Sequence[Member], epochs: int) -> Run:
    """One network after the other, with as many threads as torch likes. A few stand for all: none knows of another."""
    few = members[:2]
    return lambda: timed(lambda: [train_plainly(member, epochs) for member in few], len(few) * epochs)


def torch_engine(members: Sequence[Member], hidden: int, epochs: int) -> Run:
    """Cohorts as large as fer_sweep.training.cohort makes them, spread over the cores, one torch thread each."""
    workers = cores()
    most = min(-(-len(members) // workers), max(1, CPU_BYTES // (4 * hidden * SAMPLES)))
    cohorts = [
        Population(members[i : i + most], classes=CLASSES, epochs=1_000_000 // hidden, device=CPU)
        for i in range(0, len(members), most)
    ]

    def run() -> float:
        with one_torch_thread(), ThreadPoolExecutor(workers) as pool:
            return timed(lambda: list(pool.map(lambda c: c.advance(epochs), cohorts)), len(members) * epochs)

    return run


def fused_engine(members: Sequence[Member], hidden: int, epochs: int) -> Run:
    population = FusedPopulation(members, classes=CLASSES, epochs=1_000_000 // hidden, device=CPU)
    return lambda: timed(lambda: population.advance(epochs), len(members) * epochs)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compare(hidden: int, count: int, *, rounds: int, milliseconds: float) -> None:
    """One block of the table: every engine in every round, for about this long."""
    members = make_members(count, hidden)

    def epochs(networks: int, microseconds: float) -> int:
        return max(2, round(milliseconds * 1000 / (networks * microseconds)))

    wide = hidden >= 100
    runs = {
        "plain loop": plain(members, epochs(2, 900 if wide else 400)),
        "torch engine": torch_engine(members, hidden, epochs(count, 500 if wide else 50)),
        "fused engine": fused_engine(members, hidden, epochs(count, 120 if wide else 12)),
    }
    for run in runs.values():
        run()  # warm up: compiled code, threads, memory
    times = {name: np.empty(rounds) for name in runs}
    for turn in range(rounds):
        for name, run in runs.items():
            times[name][turn] = run()
    for name, found in times.items():
        ratio = float(np.median(times["plain loop"] / found))
        print_row(hidden, count, name, found, f"{ratio:.1f}x")


def compare_cuda(hidden: int, *, count: int, epochs: int) -> None:
    """The CUDA engine, start to end: building the tensors, capturing the graph, training, fetching the history."""
    members = make_members(count, hidden)
    plain_time = plain(members, 50)()

    def train() -> None:
        population = Population(members, classes=CLASSES, epochs=epochs, device=torch.device("cuda"))
        population.advance(epochs)
        population.history()

    train()
    begun = time.perf_counter()
    train()
    seconds = time.perf_counter() - begun
    found = np.array([seconds / (count * epochs) * 1e6])
    print_row(hidden, count, "CUDA engine", found, f"{plain_time / found[0]:.0f}x")
    print(f"{'':>16}{count} networks x {epochs} epochs in {seconds:.1f} s on {torch.cuda.get_device_name()}")


def print_row(hidden: int, count: int, name: str, microseconds: np.ndarray, ratio: str) -> None:
    low, middle, high = microseconds.min(), np.median(microseconds), microseconds.max()
    spread = f"({low:.1f}-{high:.1f})"
    print(f"{hidden:>6}{count:>10}  {name:<14}{middle:>10.1f} {spread:<20}{ratio:>8}", flush=True)


def machine() -> str:
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line.split(":", 1)[1].strip() for line in information.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{model}, {cores()} cores{load}; Python {platform.python_version()}, torch {torch.__version__} "
        f"({torch.get_num_threads()} threads), numba {numba.__version__}, numpy {np.__version__}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the ways to train many small networks.")
    parser.add_argument("--quick", action="store_true", help="a few epochs, to see that it runs; the numbers are rough")
    quick: bool = parser.parse_args().quick
    print(machine())
    print(f"{SAMPLES} samples, {FEATURES} features, {CLASSES} classes, full batch, Adam, float32")
    print("hidden  networks  engine          us per network-epoch           vs plain")
    for hidden in (10, 200):
        for count in (20,) if quick else (20, 200):
            compare(hidden, count, rounds=2 if quick else 7, milliseconds=5 if quick else 500)
        if torch.cuda.is_available():
            compare_cuda(hidden, count=20 if quick else 1000, epochs=10 if quick else 2000)


if __name__ == "__main__":
    main()
