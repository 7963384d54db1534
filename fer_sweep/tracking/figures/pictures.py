"""What trials on pictures look like: feature maps, Grad-CAM, and the pictures that were removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.colors import Normalize

from fer_sweep.data import Samples
from fer_sweep.data.pictures import Pixels
from fer_sweep.tracking.figures.canvas import GREY, INK, RED, SMALL, text_width
from fer_sweep.tracking.figures.sheet import Sheet
from fer_sweep.tracking.removed_faces import removed_samples
from fer_sweep.training.records import Explanation, TrialResult

COLUMNS = 10
"""Pictures side by side in the gallery of removed ones."""
CELL_WIDTH, CELL_HEIGHT, FACE = 102, 155, 92
"""Pixels of the gallery's cells and of the faces in them."""
HEATED_COLUMNS, HEATED_HEIGHT = 8, 255
"""Pictures side by side in a sheet of heated ones, and pixels of its rows."""
LONGEST_NAME = 14
"""Letters of a name above a picture."""
CNN_BLOCKS = 3


def activation_maps(explanation: Explanation, *, title: str) -> bytes:
    """PNG of the first picture and, a row per block, the maps that its first channels make of it (paper figure 8)."""
    blocks = explanation.activations
    columns = max(len(maps) for maps in blocks)
    kind = "block" if len(blocks) == CNN_BLOCKS else "stage"
    explained = f"what the first channels of every {kind} ({columns} at most) make of the picture at the left"
    widest = 100 * max(1.1 * text_width(title, 12), text_width(explained, SMALL))  # the title is bold
    sheet = Sheet(
        max(140 + 62 * columns, round(widest) + 30), 65 + 80 * len(blocks), title=title, explanation=explained
    )
    sheet.picture(explanation.pictures[0], 10, 77, 110)
    for row, maps in enumerate(blocks):
        top = 60 + 80 * row
        sheet.text(f"{kind} {row + 1}, {maps.shape[1]} x {maps.shape[2]}", 135, top + 11, ha="left")
        for column, channel in enumerate(maps):
            sheet.picture(_in_colours(channel), 135 + 62 * column, top + 17, 57, smooth=False)
    return sheet.png()


def grad_cam(explanation: Explanation, class_names: Sequence[str], true: npt.NDArray[np.int64], *, title: str) -> bytes:
    """PNG of one test picture per class with what speaks for the predicted class. true: (k,) true classes."""
    cells = [
        HeatedPicture(
            above=class_names[true[i]],
            picture=explanation.pictures[i],
            heat=explanation.grad_cam[i],
            below=class_names[explanation.predicted[i]],
            wrong=bool(explanation.predicted[i] != true[i]),
        )
        for i in range(len(explanation.samples))
    ]
    explained = "above: test picture and its class; below: what speaks for the class that is predicted"
    return heated_pictures(cells, title=title, explanation=explained, columns=len(cells))


@dataclass(frozen=True, eq=False)
class HeatedPicture:
    """A picture (S, S, 3), what in it speaks for a class (S, S) in [0, 1], and what is written above and below."""

    above: str
    picture: Pixels
    heat: npt.NDArray[np.float32]
    below: str
    wrong: bool = False


def heated_pictures(
    cells: Sequence[HeatedPicture], *, title: str, explanation: str, columns: int = HEATED_COLUMNS
) -> bytes:
    """PNG of pictures, each above the same one under its heat."""
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    sheet = Sheet(max(115 * columns, 600), 70 + HEATED_HEIGHT * rows, title=title, explanation=explanation)
    for place, cell in enumerate(cells):
        row, column = divmod(place, columns)
        left, top = 8 + 115 * column, 73 + HEATED_HEIGHT * row
        below = _short(cell.below)
        sheet.text(_short(cell.above), left + 50, top)
        sheet.picture(cell.picture, left, top + 6, 100)
        sheet.picture(_heated(cell.picture, cell.heat), left, top + 114, 100)
        sheet.text(f"✗ {below}" if cell.wrong else below, left + 50, top + 230, color=RED if cell.wrong else INK)
    return sheet.png()


def removed_gallery(
    result: TrialResult, samples: Samples, faces: Mapping[int, Pixels], *, title: str, error: str = "loss"
) -> bytes:
    """PNG of the pictures that outlier removal took away, largest error first. faces: (h, w, 3) of some of them, one at
    least; error: what the rule looks at."""
    removed = removed_samples(result)
    shown = [one for one in removed if one.sample in faces]
    known = "; ✗: the label is known to be wrong" if samples.planted is not None else ""
    explained = (
        f"{len(shown)} of {len(removed)} removed pictures, largest {error} at removal first{known}. "
        "Above: the label; below: that error, and when it went"
    )
    rows = -(-len(shown) // COLUMNS)
    sheet = Sheet(CELL_WIDTH * COLUMNS, 65 + CELL_HEIGHT * rows, title=title, explanation=explained)
    for place, one in enumerate(shown):
        row, column = divmod(place, COLUMNS)
        top, middle = 65 + CELL_HEIGHT * row, CELL_WIDTH * column + CELL_WIDTH // 2
        wrong = samples.planted is not None and bool(samples.planted[one.sample])
        label = _short(samples.class_names[samples.y[one.sample]])
        sheet.text(f"{label} ✗" if wrong else label, middle, top + 11, color=RED if wrong else INK)
        sheet.picture(faces[one.sample], middle - FACE // 2, top + 17, FACE)
        below = top + FACE + 29
        sheet.text(f"{one.error:.2f}, epoch {one.epoch}", middle, below, color=GREY, size=7)
        if len(result.networks) > 2:
            by = f"{one.networks} of {_trained_on(result, one.sample)} networks"
            sheet.text(by, middle, below + 12, color=GREY, size=7)
    return sheet.png()


def _in_colours(values: npt.NDArray[np.float32]) -> Pixels:
    """(h, w, 3) of a map, its lowest value dark and its highest bright."""
    return _coloured("viridis", Normalize()(values))


def _heated(picture: Pixels, heat: npt.NDArray[np.float32]) -> Pixels:
    """The picture under its heat (h, w) in [0, 1]; where it is cold, the picture stays as it is."""
    share = 0.75 * heat[..., None]
    mixed: Pixels = np.rint((1 - share) * picture + share * _coloured("inferno", heat)).astype(np.uint8)
    return mixed


def _coloured(name: str, shares: npt.NDArray[np.floating[Any]]) -> Pixels:
    colours: Pixels = matplotlib.colormaps[name](shares, bytes=True)[..., :3]
    return colours


def _short(name: str) -> str:
    """A name that fits above one picture of a row; of a long one, what it begins and ends with."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[1 - half :]}"


def _trained_on(result: TrialResult, sample: int) -> int:
    """How many networks had a sample on their training side."""
    return sum(sample not in network.test and sample not in network.validation for network in result.networks)
