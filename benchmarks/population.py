"""How fast networks train: the plain PyTorch loop a user would write, the torch engine, and the fused engine.

    python benchmarks/population.py [--quick]

All take turns within each round, so that a machine shared with others slows all of them alike. The plain loop runs with
torch's default threads and with one thread (on a busy machine torch's threads wait for each other at every operation);
a ratio is against the faster of the two, and the median of the rounds' ratios. The engines use all cores.
The task is the paper's: 338 samples (half of SFEW), 10 features, 7 classes, full batch, Adam.
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
import numpy.typing as npt
import torch
from torch.nn import functional

from fer_sweep.models.mlp import MlpWeights, as_module, initial_weights
from fer_sweep.spec.train import TrainConfig
from fer_sweep.training.cohort import CPU_BYTES
from fer_sweep.training.fused import FusedPopulation
from fer_sweep.training.member import Member
from fer_sweep.training.population import Population

SAMPLES, FEATURES, CLASSES = 338, 10, 7
CPU = torch.device("cpu")

Run = Callable[[int], float]
"""Trains for so many epochs and says how many microseconds a network took per epoch."""


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
    assert isinstance(member.weights, MlpWeights)
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


def plain(members: Sequence[Member], *, threads: int) -> Run:
    """One network after the other. Two stand for all of them: none knows of another."""
    few = members[:2]

    def run(epochs: int) -> float:
        with torch_threads(threads):
            return timed(lambda: [train_plainly(member, epochs) for member in few], len(few) * epochs)

    return run


def torch_engine(members: Sequence[Member], *, capacity: int) -> Run:
    """Cohorts as large as fer_sweep.training.cohort makes them, spread over the cores, one torch thread each."""
    weights = members[0].weights
    assert isinstance(weights, MlpWeights)
    workers, hidden = cores(), len(weights.hidden_bias)
    most = min(-(-len(members) // workers), max(1, CPU_BYTES // (4 * hidden * SAMPLES)))
    cohorts = [
        Population(members[i : i + most], classes=CLASSES, epochs=capacity, device=CPU)
        for i in range(0, len(members), most)
    ]

    def run(epochs: int) -> float:
        with torch_threads(1), ThreadPoolExecutor(workers) as pool:
            return timed(lambda: list(pool.map(lambda c: c.advance(epochs), cohorts)), len(members) * epochs)

    return run


def fused_engine(members: Sequence[Member], *, capacity: int) -> Run:
    population = FusedPopulation(members, classes=CLASSES, epochs=capacity, device=CPU)
    return lambda epochs: timed(lambda: population.advance(epochs), len(members) * epochs)


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compare(hidden: int, count: int, *, rounds: int, seconds: float) -> None:
    """One block of the table: every engine in every round, for about so many seconds."""
    members = make_members(count, hidden)
    capacity = 20_000
    runs = {
        "plain loop": plain(members, threads=torch.get_num_threads()),
        "plain, 1 thread": plain(members, threads=1),
        "torch engine": torch_engine(members, capacity=capacity),
        "fused engine": fused_engine(members, capacity=capacity),
    }
    epochs = {}
    for name, run in runs.items():
        run(2)  # compiled code, threads, memory
        networks = 2 if name.startswith("plain") else count
        wanted = round(seconds * 1e6 / (networks * run(4)))
        epochs[name] = min(max(2, wanted), (capacity - 6) // rounds)
    times = {name: np.empty(rounds) for name in runs}
    for turn in range(rounds):
        for name, run in runs.items():
            times[name][turn] = run(epochs[name])
    baseline = np.minimum(times["plain loop"], times["plain, 1 thread"])
    for name, found in times.items():
        print_row(hidden, count, name, found, f"{np.median(baseline / found):.1f}x")


def compare_cuda(hidden: int, *, count: int, epochs: int) -> None:
    """The CUDA engine, start to end: building the tensors, capturing the graph, training, fetching the history."""
    members = make_members(count, hidden)
    plain_time = min(plain(members, threads=threads)(50) for threads in (1, torch.get_num_threads()))

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


def print_row(hidden: int, count: int, name: str, microseconds: npt.NDArray[np.float64], ratio: str) -> None:
    low, middle, high = microseconds.min(), np.median(microseconds), microseconds.max()
    spread = f"({low:.1f}-{high:.1f})"
    print(f"{hidden:>6}{count:>10}  {name:<16}{middle:>10.1f} {spread:<20}{ratio:>8}", flush=True)


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
    print("hidden  networks  engine            us per network-epoch           vs plain")
    for hidden in (10, 200):
        for count in (20,) if quick else (20, 200):
            compare(hidden, count, rounds=2 if quick else 7, seconds=0.01 if quick else 0.5)
        if torch.cuda.is_available():
            compare_cuda(hidden, count=20 if quick else 1000, epochs=10 if quick else 2000)


if __name__ == "__main__":
    main()
