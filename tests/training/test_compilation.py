"""The first run on a machine gives the numbers of the second."""

import os
import subprocess
import sys
from pathlib import Path

TRAIN = """
import numpy as np
from fer_sweep.models.mlp import initial_weights
from fer_sweep.spec.train import TrainConfig
from fer_sweep.training.fused import FusedPopulation
from fer_sweep.training.member import Member
import torch

random = np.random.default_rng(0)
x, y = random.normal(size=(60, 10)).astype(np.float32), random.integers(0, 7, 60)
weights = initial_weights(features=10, hidden_units=8, classes=7, seed=1)
member = Member(weights, TrainConfig(epochs=300), x, y, (x, x), np.random.default_rng(0))
population = FusedPopulation([member], classes=7, epochs=300, device=torch.device("cpu"))
population.advance(300)
print(population.history().tobytes().hex()[-400:], population.predict(0)[0].tobytes().hex()[-400:])
"""


def test_the_first_process_rounds_as_the_second(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", TRAIN]

    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout for _ in range(2)
    )

    assert first == second
    assert list(tmp_path.rglob("fused_kernel.train-*.nbi"))
