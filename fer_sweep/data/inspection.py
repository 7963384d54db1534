"""What a folder or file of pictures is: layout, classes, persons, sizes, and what is wrong with it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_sweep.data.cache import Cache
from fer_sweep.data.faces import find_faces
from fer_sweep.data.fer2013 import load_fer2013_samples
from fer_sweep.data.folder import left_out, survey_folder, surveyed_samples
from fer_sweep.data.samples import Samples
from fer_sweep.errors import SpecError
from fer_sweep.spec.data import Fer2013Data, FolderData

PARTS = ("training", "validation", "test")


@dataclass(frozen=True)
class ClassFacts:
    """A class: its pictures, its persons, and its pictures in each official part (empty when there are none)."""

    name: str
    pictures: int
    persons: int
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Inspection:
    """sizes: smallest, median and largest (width, height). unreadable: path and reason of every file that is left out,
    which `warnings` do not repeat. without_face: ids of the pictures in which none was found; None: not looked for."""

    layout: str
    pictures: int
    persons: int
    classes: tuple[ClassFacts, ...]
    sizes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    unreadable: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    without_face: tuple[str, ...] | None

    @property
    def faces(self) -> int | None:
        """Pictures with a found face; None: not looked for."""
        return None if self.without_face is None else self.pictures - len(self.without_face)


def inspect(config: FolderData | Fer2013Data, cache: Cache | None, *, faces: bool) -> tuple[Inspection, Samples]:
    """Look at everything that `config` means, and for faces if asked to. Raises DataError as loading it does."""
    if isinstance(config, FolderData):
        survey = survey_folder(config, cache)
        samples, layout, unreadable = surveyed_samples(survey, config, cache), survey.layout, survey.unreadable
        warnings = tuple(warning for warning in samples.warnings if warning not in left_out(survey))
    else:
        samples, layout, unreadable = load_fer2013_samples(config, cache), "FER-2013", ()
        warnings = samples.warnings
    missed = None
    if faces:
        missed = tuple(samples.ids[i] for i in np.flatnonzero(find_faces(samples.pictures)[:, 0] == 0))
    return Inspection(
        layout=layout,
        pictures=len(samples),
        persons=len(samples.person_names),
        classes=tuple(_facts(samples, c) for c in range(samples.classes)),
        sizes=_sizes(samples),
        unreadable=unreadable,
        warnings=warnings,
        without_face=missed,
    ), samples


def source_of(
    path: Path, *, person: str | None = None, labels: tuple[str, ...] | None = None, manifest: Path | None = None
) -> FolderData | Fer2013Data:
    """The `data` section that a path stands for: a .csv file is FER-2013, anything else a folder.

    Raises SpecError for what FER-2013's file has no use for.
    """
    if path.suffix.lower() == ".csv":
        options = (("--person", person), ("--labels", labels), ("--manifest", manifest))
        given = next((option for option, value in options if value), None)
        if given is not None:
            raise SpecError(
                f"{given}: {path} is taken for FER-2013's file, whose labels have names and whose pictures name no "
                f"person. Leave {given} out, or name a folder of pictures."
            )
        return Fer2013Data(source="fer2013", path=str(path))
    listed = None if manifest is None else str(manifest)
    return FolderData(source="folder", path=str(path), person=person, labels=labels, manifest=listed)


def _facts(samples: Samples, c: int) -> ClassFacts:
    rows = np.flatnonzero(samples.y == c)
    counts = Counter(samples.part[rows].tolist()) if samples.part is not None else Counter[int]()
    parts = tuple(counts[part] for part in range(len(PARTS))) if samples.part is not None else ()
    return ClassFacts(samples.class_names[c], len(rows), len(np.unique(samples.person[rows])), parts)


def _sizes(samples: Samples) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    ordered = sorted((tuple((box[2:] - box[:2]).tolist()) for box in samples.pictures.boxes), key=lambda s: s[0] * s[1])
    return ordered[0], ordered[len(ordered) // 2], ordered[-1]
