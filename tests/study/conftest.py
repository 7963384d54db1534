"""What tests of the search watch."""

from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
import torch

from fer_sweep.data import Samples, Split
from fer_sweep.execution import inline
from fer_sweep.training.records import Record
from fer_sweep.training.trials import TrialRequest, run_trials


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the trials that were given to training, in order."""
    numbers: list[int] = []

    def counting(
        requests: Sequence[TrialRequest], samples: Samples, split: Split, *, device: torch.device, checkpoints: Path
    ) -> Generator[Record, str | None, None]:
        numbers.extend(request.number for request in requests)
        return run_trials(requests, samples, split, device=device)

    monkeypatch.setattr(inline, "run_trials", counting)
    return numbers
