"""Small studies that train for real in milliseconds."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch

from fer_sweep.data import load_samples
from fer_sweep.data.samples import Samples
from fer_sweep.execution.inline import Inline
from fer_sweep.spec import SweepSpec
from fer_sweep.study.database import open_storage
from fer_sweep.study.events import Event, SearchEnded, StudyFinished, TrialFinished
from fer_sweep.study.home import Home
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.study import OpenStudy, open_study, run_study

CPU = torch.device("cpu")
DATA = {"source": "synthetic_features", "samples": 60, "persons": 10, "features": 4, "separation": 4.0}
RATE = {"distribution": "log_uniform_values", "min": 1e-3, "max": 1e-1}
UNITS = {"distribution": "categorical", "values": [2, 4, 6]}
SGD = {"epochs": 10, "learning_rate": 0.01, "optimizer": "sgd"}
DIVERGES = {"distribution": "categorical", "values": [0.0, 1e30]}
"""Of train.weight_decay, with SGD."""


def sweep(parameters: Mapping[str, Mapping[str, Any]] | None = None, **changes: Any) -> SweepSpec:
    """A sweep file over tiny networks; the base lies inside the default space."""
    chosen = {"train.learning_rate": RATE, "model.hidden_units": UNITS} if parameters is None else parameters
    return SweepSpec.model_validate(
        {
            "name": "tiny",
            "data": DATA,
            "model": {"kind": "mlp", "hidden_units": 4},
            "train": {"epochs": 10, "learning_rate": 0.01},
            "method": "random",
            "parameters": chosen,
            "run_cap": 6,
            "resources": {"trials_at_once": 3},
        }
        | changes
    )


def inline(samples: Samples) -> Inline:
    """The executor of this process, on the CPU."""
    return Inline(samples, CPU)


@cache
def _empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        open_storage(Home(Path(folder))).engine.dispose()
        return Home(Path(folder)).optuna_file.read_bytes()


@contextmanager
def opened(spec: SweepSpec, root: Path, *, branch: bool = False) -> Iterator[OpenStudy]:
    home = Home(root)
    if not home.optuna_file.exists():  # copied, because creating the tables takes longer than a tiny study
        root.mkdir(parents=True, exist_ok=True)
        home.optuna_file.write_bytes(_empty_database())
    with open_study(spec, load_samples(spec.data), home, branch=branch) as study:
        yield study


def run(spec: SweepSpec, root: Path, *, branch: bool = False) -> list[Event]:
    """Run or resume a study to its end."""
    with opened(spec, root, branch=branch) as study:
        return list(run_study(study, executor=inline(study.samples)))


def run_and_cut(spec: SweepSpec, root: Path, events: int) -> list[Event]:
    """Run or resume a study and close it after a number of events, as an interrupt does."""
    seen: list[Event] = []
    with opened(spec, root) as study:
        running = run_study(study, executor=inline(study.samples))
        for event in running:
            seen.append(event)
            if len(seen) == events:
                break
        running.close()
    return seen


def rows(spec: SweepSpec, root: Path) -> list[TrialRow]:
    with opened(spec, root) as study:
        return study.store.rows()


def finished(events: list[Event]) -> list[TrialFinished]:
    return [event for event in events if isinstance(event, TrialFinished)]


def ended(events: Sequence[object]) -> list[TrialRow]:
    """The rows that the study ends with."""
    (end,) = [event for event in events if isinstance(event, StudyFinished)]
    return list(end.rows)


def reason(events: Sequence[object]) -> str:
    (end,) = [event for event in events if isinstance(event, SearchEnded)]
    return end.reason


def content(found: Sequence[TrialRow]) -> list[tuple[Any, ...]]:
    """All that must not depend on interruptions."""
    return [(r.number, r.state, dict(r.assignments), pytest.approx(r.mean, abs=1e-6), r.n, r.note) for r in found]
