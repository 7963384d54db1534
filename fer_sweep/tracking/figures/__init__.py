"""Pictures of trials and studies as PNG bytes: made with matplotlib's object interface, no global state, same bytes for
the same data."""

from fer_sweep.tracking.figures.confusion import confusion
from fer_sweep.tracking.figures.curves import training_curves
from fer_sweep.tracking.figures.evidence import evidence
from fer_sweep.tracking.figures.loss_comparison import ComparedTrial, loss_comparison
from fer_sweep.tracking.figures.losses import loss_histograms
from fer_sweep.tracking.figures.pictures import (
    HeatedPicture,
    activation_maps,
    grad_cam,
    heated_pictures,
    removed_gallery,
)
from fer_sweep.tracking.figures.reliability import reliability
from fer_sweep.tracking.figures.removals import removed_by_class
from fer_sweep.tracking.figures.search import best_so_far, importance, slices

__all__ = [
    "ComparedTrial",
    "HeatedPicture",
    "activation_maps",
    "best_so_far",
    "confusion",
    "evidence",
    "grad_cam",
    "heated_pictures",
    "importance",
    "loss_comparison",
    "loss_histograms",
    "reliability",
    "removed_by_class",
    "removed_gallery",
    "slices",
    "training_curves",
]
