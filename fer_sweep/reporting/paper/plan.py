"""What is run for the paper: a list of ordinary studies, one per sweep file under sweeps/paper and kind of split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fer_sweep.errors import SpecError
from fer_sweep.spec import SweepSpec, as_written, load_sweep

Half = Literal["network", "pictures"]
HALVES: tuple[Half, ...] = ("network", "pictures")
QUICK_REPEATS = 3
DRAWN = "data={source: synthetic_faces, samples: %d, persons: %d, size: %d, seed: 0}"
QUICK_PICTURES = {
    "cnn": ["model.input_size=48", "model.width=8", "train.epochs=20"],
    "resnet_extract": ["model.input_size=64", "model.weights=none", "train.epochs=30", "schedule.at=[20, 24]"],
    "resnet_finetune": ["model.input_size=32", "model.weights=none", "train.epochs=4", "schedule.at=[2, 3]"],
}
"""What makes networks on pictures small: they show that everything runs, in minutes on two cores."""


@dataclass(frozen=True)
class Job:
    """A sweep file, and a kind of split to run it on. The paper's is `random`."""

    half: Half
    sweep: str
    split: Literal["random", "person"] = "random"
    on_workbook: bool = True
    """Of the network half: whether it is the workbook that it trains on."""

    @property
    def study(self) -> str:
        """Name of its study."""
        return f"paper-{self.sweep.replace('_', '-')}-{self.split}"


JOBS: tuple[Job, ...] = (
    Job("network", "learning_rate"),
    Job("network", "hidden_units"),
    Job("network", "optimizer"),
    Job("network", "raw"),
    Job("network", "raw", "person"),
    Job("network", "normalized"),
    Job("network", "normalized", "person"),
    Job("network", "svm"),
    Job("network", "svm", "person"),
    Job("network", "rules"),
    Job("network", "rules", "person"),
    Job("network", "rules_planted", "person", on_workbook=False),
    Job("pictures", "cnn"),
    Job("pictures", "resnet_extract"),
    Job("pictures", "resnet_finetune"),
)


@dataclass(frozen=True)
class Inputs:
    """sweeps: folder of the sweep files; images: None for drawn faces; quick: a few minutes instead of the paper's
    sizes; halves: what to run."""

    sweeps: Path
    workbook: Path
    images: Path | None
    quick: bool
    halves: Sequence[Half]


def planned(inputs: Inputs) -> list[tuple[Job, SweepSpec]]:
    """Every job with its sweep, checked before any of them is run. Raises SpecError."""
    if not inputs.sweeps.is_dir():
        raise SpecError(
            f"{inputs.sweeps} is not a folder. It should hold the paper's sweep files: run this in a checkout of "
            "fer-sweep, or name the folder with --sweeps."
        )
    return [
        (job, load_sweep(inputs.sweeps / f"{job.sweep}.yaml", _overrides(job, inputs)))
        for job in JOBS
        if job.half in inputs.halves
    ]


def _overrides(job: Job, inputs: Inputs) -> list[str]:
    overrides = [f"name={job.study}", f"protocol.split={job.split}"]
    if job.half == "network":
        overrides += [as_written("data.path", str(inputs.workbook))] * job.on_workbook
        return [*overrides, *([f"protocol.repeats={QUICK_REPEATS}"] * inputs.quick)]
    if inputs.images is not None:
        overrides.append(as_written("data.path", str(inputs.images)))
    else:
        overrides.append(DRAWN % ((140, 28, 64) if inputs.quick else (675, 60, 176)))
    return [*overrides, *(QUICK_PICTURES[job.sweep] if inputs.quick else [])]
