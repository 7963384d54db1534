"""What training raises, as the failure of a trial."""

import traceback

import torch

from fer_sweep.errors import DataError
from fer_sweep.training.records import TrialFailure


def failure_of(number: int, error: Exception) -> TrialFailure:
    """The failure of trial `number`, whose kind tells a lack of memory and unusable data from all else."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        first = (str(error) or "no memory left").splitlines()[0]
        return TrialFailure(number, "memory", f"out of memory: {first}", trace)
    kind = "data" if isinstance(error, DataError) else "error"
    return TrialFailure(number, kind, f"{type(error).__name__}: {error}", trace)
