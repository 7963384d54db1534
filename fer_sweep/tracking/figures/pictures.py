"""What trials on pictures look like: feature maps, Grad-CAM, and the pictures that were removed."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from fer_sweep.data import Samples
from fer_sweep.data.pictures import Pixels
from fer_sweep.tracking.figures.canvas import GREY, INK, RED, SMALL, head, new_figure, png, text_width
from fer_sweep.tracking.removed_faces import removed_samples
from fer_sweep.training.records import Explanation, TrialResult

COLUMNS = 10
"""Pictures side by side in the gallery of removed ones."""
LONGEST_NAME = 14
"""Letters of a class name above a picture."""
CNN_BLOCKS = 3


def activation_maps(explanation: Explanation, *, title: str) -> bytes:
    """PNG of the first picture and, a row per block, the maps that its first channels make of it (paper figure 8)."""
    blocks = explanation.activations
    columns = max(len(maps) for maps in blocks)
    kind = "block" if len(blocks) == CNN_BLOCKS else "stage"
    explained = f"what the first channels of every {kind} ({columns} at most) make of the picture at the left"
    widest = max(1.1 * text_width(title, 12), text_width(explained, SMALL))  # the title is bold
    figure = new_figure(max(1.6 + 0.62 * columns, widest + 0.3), 0.8 + 0.72 * len(blocks))
    grid = figure.subplots(len(blocks), columns + 1, squeeze=False, width_ratios=[1.6, *[1.0] * columns])
    for row, maps in enumerate(blocks):
        for axes in grid[row]:
            axes.set_axis_off()
        for axes, channel in zip(grid[row][1:], maps, strict=False):
            axes.imshow(channel, cmap="viridis")
        grid[row][1].set_title(f"{kind} {row + 1}, {maps.shape[1]} x {maps.shape[2]}", fontsize=SMALL, loc="left")
    grid[0][0].imshow(explanation.pictures[0])
    head(figure, title, explained)
    return png(figure)


def grad_cam(explanation: Explanation, class_names: Sequence[str], true: npt.NDArray[np.int64], *, title: str) -> bytes:
    """PNG of one test picture per class with what speaks for the predicted class. true: (k,) true classes."""
    count = len(explanation.samples)
    figure = new_figure(max(1.15 * count, 6.0), 3.4)
    grid = figure.subplots(2, count, squeeze=False)
    for i in range(count):
        for axes in grid[:, i]:
            _bare(axes)
            axes.imshow(explanation.pictures[i])
        heat = explanation.grad_cam[i]  # where it is cold, the picture stays as it is
        grid[1][i].imshow(heat, cmap="inferno", alpha=0.75 * heat, vmin=0.0, vmax=1.0)
        right = explanation.predicted[i] == true[i]
        predicted = _short(class_names[explanation.predicted[i]])
        grid[0][i].set_title(_short(class_names[true[i]]), fontsize=SMALL, color=INK)
        grid[1][i].set_xlabel(predicted if right else f"✗ {predicted}", fontsize=SMALL, color=INK if right else RED)
    head(figure, title, "above: test picture and its class; below: what speaks for the class that is predicted")
    return png(figure)


def removed_gallery(
    result: TrialResult, samples: Samples, faces: Mapping[int, Pixels], *, title: str, error: str = "loss"
) -> bytes:
    """PNG of the pictures that outlier removal took away, largest error first. faces: (h, w, 3) of some of them, one at
    least; error: what the rule looks at."""
    removed = removed_samples(result)
    shown = [one for one in removed if one.sample in faces]
    rows = -(-len(shown) // COLUMNS)
    figure = new_figure(1.02 * COLUMNS, 0.7 + 1.62 * rows)
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    for axes, one in zip(grid, shown, strict=False):
        _bare(axes)
        axes.imshow(_squared(faces[one.sample]))
        wrong = samples.planted is not None and bool(samples.planted[one.sample])
        axes.set_title(_short(samples.class_names[samples.y[one.sample]]) + (" ✗" if wrong else ""), fontsize=SMALL,
                       color=RED if wrong else INK)  # fmt: skip
        by = f"\n{one.networks} of {_trained_on(result, one.sample)} networks" if len(result.networks) > 2 else ""
        axes.set_xlabel(f"{one.error:.2f}, epoch {one.epoch}{by}", fontsize=7, color=GREY)
    known = "; ✗: the label is known to be wrong" if samples.planted is not None else ""
    head(figure, title, f"{len(shown)} of {len(removed)} removed pictures, largest {error} at removal first{known}. "
         "Above: the label; below: that error, and when it went")  # fmt: skip
    return png(figure)


def _squared(face: Pixels) -> Pixels:
    """A picture in the middle of a white square, so that all rows are alike."""
    height, width, _ = face.shape
    side = max(height, width)
    square = np.full((side, side, 3), 255, dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = face
    return square


def _short(name: str) -> str:
    """A class name that fits above one picture of a row."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _trained_on(result: TrialResult, sample: int) -> int:
    """How many networks had a sample on their training side."""
    return sum(sample not in network.test and sample not in network.validation for network in result.networks)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
