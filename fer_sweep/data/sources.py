"""Samples from whatever source the `data` section of a sweep file names."""

import numpy as np

from fer_sweep.data.samples import Samples
from fer_sweep.data.synthetic import synthetic_samples
from fer_sweep.data.table import load_csv_samples
from fer_sweep.data.workbook import load_workbook_samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import CsvData, DataConfig, SyntheticFeatures, WorkbookData


def load_samples(config: DataConfig) -> Samples:
    """Reads or makes the samples of `config`.

    Raises DataError if the source is not as described, has fewer than two classes, or a class of a single sample.
    """
    match config:
        case WorkbookData():
            samples = load_workbook_samples(config)
        case CsvData():
            samples = load_csv_samples(config)
        case SyntheticFeatures():
            samples = synthetic_samples(config)
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
