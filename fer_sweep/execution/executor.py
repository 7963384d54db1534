"""What an executor is: it is given trials and yields what training says of them, wherever they run."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from fer_sweep.data import Split
from fer_sweep.training.records import Record
from fer_sweep.training.trial_run import TrialRequest


@dataclass(frozen=True)
class WorkerLost:
    """The process that ran a trial is gone; the trial runs again, from its checkpoint where it has one."""

    trial: int
    why: str


@dataclass(frozen=True)
class Idle:
    """Nothing was heard for a moment; yielded so that whoever runs the trials can look at something else."""


Progress = Record | WorkerLost | Idle


class Executor(Protocol):
    """Runs trials on the samples it was made with."""

    @property
    def slots(self) -> int:
        """How many trials on pictures can run at the same time."""

    @property
    def device_type(self) -> Literal["cpu", "cuda"]: ...

    @property
    def gpus(self) -> int:
        """How many GPUs are in use while it runs."""

    def run(
        self, requests: Sequence[TrialRequest], split: Split, *, folder: Path
    ) -> Generator[Progress, str | None, None]:
        """Run all requests and yield their reports and, for each, one TrialResult or TrialFailure. What is sent back
        for an EpochReport, if not None, is the reason to stop that trial there. Whatever training raises is the failure
        of a trial. When the generator is closed early, checkpoints are written where there can be any; they lie in
        `folder`, as does what trials print."""
