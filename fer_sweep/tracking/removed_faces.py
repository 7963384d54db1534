"""The pictures that outlier removal took away: which ones to show, and how they look, kept beside the result.

Kept, because who draws the gallery later has the study's results but not its pictures. Light: loads no MLflow.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_sweep.data.pictures import Pictures, Pixels
from fer_sweep.errors import DataError
from fer_sweep.study.journal import UNREADABLE, write_atomically
from fer_sweep.training.records import TrialResult

MOST = 40
SIDE = 128
"""Pixels of the longer side, a little more than is shown."""


@dataclass(frozen=True)
class Removed:
    """A removed sample: the first epoch and the error at which it went for good, and how many networks removed it."""

    sample: int
    epoch: int
    error: float
    networks: int


def removed_samples(result: TrialResult) -> list[Removed]:
    """All samples that some network did without at its end, largest error at removal first."""
    events: dict[int, list[tuple[int, float]]] = {}
    for network in result.networks:
        last = {
            sample: (removal.epoch, error)
            for removal in network.removals
            for sample, error in zip(removal.removed, removal.errors, strict=True)
        }
        for sample in network.left_out.tolist():
            events.setdefault(sample, []).append(last[sample])
    removed = [Removed(sample, *min(times), len(times)) for sample, times in events.items()]
    return sorted(removed, key=lambda one: (-one.error, one.sample))


def save_faces(path: Path, result: TrialResult, pictures: Pictures) -> None:
    """Keep the faces of the first MOST removed samples, small; no file if none was removed."""
    faces = {}
    for one in removed_samples(result)[:MOST]:
        try:
            faces[str(one.sample)] = pictures.thumbnail(one.sample, SIDE)
        except (DataError, OSError):
            continue  # the file has gone since: the gallery does without it, and the trial is as good as before
    if faces:
        packed = io.BytesIO()
        np.savez_compressed(packed, **faces)  # type: ignore[arg-type]
        write_atomically(path, packed.getvalue())


def load_faces(path: Path) -> Mapping[int, Pixels]:
    """The kept faces by sample; empty if there are none."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {int(name): file[name] for name in file.files}
    except (FileNotFoundError, *UNREADABLE):
        return {}
