"""Samples, the sources they come from, and strictly person independent folds."""

from fer_sweep.data.folds import Fold, FoldCounts, Split, make_split
from fer_sweep.data.samples import Samples
from fer_sweep.data.sources import load_samples

__all__ = ["Fold", "FoldCounts", "Samples", "Split", "load_samples", "make_split"]
