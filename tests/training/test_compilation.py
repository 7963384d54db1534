"""The first run on a machine gives the numbers of the second."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from fer_sweep.training import compilation, fused_kernel, fused_tiles

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


@pytest.mark.parametrize("changed", [fused_kernel, fused_tiles])
def test_code_that_is_older_than_either_source_is_compiled_anew(
    changed: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("train", "log_probabilities", "judge")
    for name in names:
        (tmp_path / f"fused_kernel.{name}-1.py311.nbi").write_text("")
    stats = SimpleNamespace(cache_path=str(tmp_path))
    monkeypatch.setattr(fused_kernel, "train", SimpleNamespace(stats=stats))
    commands: list[object] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    newer = tmp_path / "fused_kernel.py"
    newer.write_text("")
    os.utime(newer, (time.time() + 60,) * 2)

    compilation.ensure_compiled.__wrapped__()
    assert commands == []
    monkeypatch.setattr(changed, "__file__", str(newer))
    compilation.ensure_compiled.__wrapped__()

    assert len(commands) == 1
    assert not list(tmp_path.glob("*.nbi"))
