"""What two slots of the pool are worth on two cores: trials of a small CNN, with one slot and with two, taking turns.

    python benchmarks/pool.py [--quick]

Every trial trains two networks on drawn faces. Workers have started and compiled before the clock runs; each keeps to a
core of its own. Cores of a virtual machine are not equally fast: the single slot is measured on each, and two slots are
compared with the mean of their rates. A slot that has all cores is measured as well.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from importlib.metadata import version
from pathlib import Path

import numpy as np

from fer_sweep.data import Samples, Split, load_samples, make_split
from fer_sweep.execution.pool import Pool, places
from fer_sweep.spec import SweepSpec
from fer_sweep.tracking.provenance import provenance
from fer_sweep.training.records import TrialResult
from fer_sweep.training.trial_run import TrialRequest

FIRST, SECOND = "one slot, first core", "one slot, second core"


def spec_of(*, faces: int, epochs: int, side: int) -> SweepSpec:
    """A sweep over a small CNN on drawn faces."""
    return SweepSpec.model_validate(
        {
            "name": "pool",
            "data": {"source": "synthetic_faces", "samples": faces, "persons": 14, "seed": 1},
            "protocol": {"folds": 2, "repeats": 1, "split": "person", "seed": 0},
            "model": {"kind": "cnn", "input_size": side, "width": 8, "hidden_units": 32},
            "train": {"optimizer": "adam", "learning_rate": 0.001, "epochs": epochs, "batch_size": 32},
            "method": "random",
            "parameters": {},
        }
    )


def seconds(pool: Pool, spec: SweepSpec, split: Split, trials: int) -> float:
    """How long a pool takes for some trials."""
    requests = [TrialRequest(number, spec.base, seed=number) for number in range(trials)]
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        with closing(pool.run(requests, split, folder=Path(folder))) as records:
            done = [record.trial for record in records if isinstance(record, TrialResult)]
        passed = time.perf_counter() - begun
    assert sorted(done) == list(range(trials)), f"{len(done)} of {trials} trials have finished"
    return passed


def compare(spec: SweepSpec, samples: Samples, *, trials: int, rounds: int) -> dict[str, list[float]]:
    """Seconds for the trials by kind of pool, round by round."""
    split, two = make_split(samples, spec.protocol), places(slots=2, device="cpu", gpus=0)
    kinds = {FIRST: two[:1], SECOND: two[1:], "two slots, one core each": two}
    if rounds > 1:
        kinds["one slot, all cores"] = places(slots=1, device="cpu", gpus=0)
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    with ExitStack() as stack:
        pools = {kind: stack.enter_context(Pool(samples, where)) for kind, where in kinds.items()}
        for pool in pools.values():
            seconds(pool, spec, split, pool.slots)
        for _ in range(rounds):
            for kind, pool in pools.items():
                times[kind].append(seconds(pool, spec, split, trials))
    return times


def report(times: Mapping[str, Sequence[float]], trials: int) -> None:
    """A line per kind of pool: trials per minute, and the median ratio to the single slots, round by round."""
    single = (1 / np.array(times[FIRST]) + 1 / np.array(times[SECOND])) / 2
    print(f"{'':<28}{'trials/min':>12}{'min to max':>16}{'ratio':>8}")
    for kind, measured in times.items():
        rates = 60 * trials / np.array(measured)
        ratio = np.median(1 / np.array(measured) / single)
        span = f"{rates.min():.1f} to {rates.max():.1f}"
        print(f"{kind:<28}{np.median(rates):>12.1f}{span:>16}{ratio:>8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time two slots of the pool against one.")
    parser.add_argument("--quick", action="store_true", help="two short trials, to see that it runs")
    quick: bool = parser.parse_args().quick
    trials, rounds = (2, 1) if quick else (6, 5)
    spec = spec_of(faces=28, epochs=1, side=16) if quick else spec_of(faces=140, epochs=8, side=48)
    found = provenance()
    print(f"{found['cpu']}, {found['cpu.cores']} cores, load {os.getloadavg()[0]:.1f}; "
          f"Python {platform.python_version()}, torch {version('torch')}")  # fmt: skip
    print(f"{trials} trials of 2 networks, {spec.train.epochs} epochs; medians of {rounds} rounds that take turns")
    report(compare(spec, load_samples(spec.data), trials=trials, rounds=rounds), trials)


if __name__ == "__main__":
    main()
