"""A network's losses as a film: one frame for every epoch at which its histogram was taken."""

import numpy as np

from fer_sweep.reporting.document import Film
from fer_sweep.training.records import HISTOGRAM_MAX, NetworkResult

MOST_FRAMES = 150


def film(network: NetworkResult, *, in_loss: bool) -> Film | None:
    """The histograms of a network's active training samples; None if it has none. Frames with a removal are always
    there, others as there is room. in_loss: whether thresholds of its removals are on the axis of the histograms."""
    epochs = network.histogram_epochs.tolist()
    if len(epochs) < 2:
        return None
    removals = {removal.epoch: removal for removal in network.removals}
    spread = {epochs[i] for i in np.linspace(0, len(epochs) - 1, min(MOST_FRAMES, len(epochs))).astype(int)}
    frames = [
        {
            "epoch": epoch,
            "counts": counts.tolist(),
            "threshold": _threshold(removals[epoch].threshold) if in_loss and epoch in removals else None,
            "removed": len(removals[epoch].removed) if epoch in removals else 0,
        }
        for epoch, counts in zip(epochs, network.histograms, strict=True)
        if epoch in spread or epoch in removals
    ]
    caption = (
        f"Losses of the training samples still in use, epoch by epoch (repeat {network.repeat}, fold {network.fold}; "
        "samples on a logarithmic axis)."
    )
    dashed = " Where samples are removed, the dashed line is the threshold." if removals and in_loss else ""
    return Film(tuple(frames), HISTOGRAM_MAX, caption + dashed)


def _threshold(value: float) -> float | None:
    return min(float(value), HISTOGRAM_MAX) if np.isfinite(value) else None
