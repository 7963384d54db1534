"""Samples from whatever source the `data` section of a sweep file names."""

import numpy as np

from fer_sweep.data.cache import Cache
from fer_sweep.data.faces import with_faces
from fer_sweep.data.fer2013 import load_fer2013_samples
from fer_sweep.data.folder import load_folder_samples
from fer_sweep.data.samples import Samples
from fer_sweep.data.synthetic import synthetic_samples
from fer_sweep.data.synthetic_faces import synthetic_face_samples
from fer_sweep.data.table import load_csv_samples
from fer_sweep.data.workbook import load_workbook_samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import (
    CsvData,
    DataConfig,
    Fer2013Data,
    FolderData,
    SyntheticFaces,
    SyntheticFeatures,
    WorkbookData,
)


def load_samples(config: DataConfig, cache: Cache | None = None) -> Samples:
    """Reads or makes the samples of `config`; what is computed from pictures is kept in `cache`.

    Raises DataError if the source is not as described, has fewer than two classes, or a class of a single sample.
    """
    match config:
        case WorkbookData():
            samples = load_workbook_samples(config)
        case CsvData():
            samples = load_csv_samples(config)
        case SyntheticFeatures():
            samples = synthetic_samples(config)
        case FolderData():
            samples = with_faces(load_folder_samples(config, cache), config)
        case Fer2013Data():
            samples = with_faces(load_fer2013_samples(config, cache), config)
        case SyntheticFaces():
            samples = with_faces(synthetic_face_samples(config, cache), config)
    _check_classes(samples)
    return samples


def _check_classes(samples: Samples) -> None:
    if samples.classes < 2:
        raise DataError(
            f"All {len(samples)} samples have the label {samples.class_names[0]}. Classification needs two classes or "
            "more; check that the label column is the right one."
        )
    counts = np.bincount(samples.y, minlength=samples.classes)
    if counts.min() < 2:
        name = samples.class_names[int(counts.argmin())]
        raise DataError(
            f"Class {name} has a single sample, which cannot stand on both sides of a split. Add samples, remove the "
            "class, or check that the label column is the right one."
        )
