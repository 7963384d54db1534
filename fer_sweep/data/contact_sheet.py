"""A contact sheet: some pictures of every class in one picture, with the boxes of what is looked at."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from fer_sweep.data.samples import Samples

SIDE, GAP, NAME_WIDTH = 96, 4, 90
_FRAME = (213, 94, 0)


def contact_sheet(samples: Samples, *, per_class: int = 10, boxes: npt.NDArray[np.int32] | None = None) -> Image.Image:
    """A row per class with up to `per_class` pictures at even distances; boxes: (N, 4), drawn unless all zero."""
    sheet = Image.new("RGB", (NAME_WIDTH + per_class * (SIDE + GAP), samples.classes * (SIDE + GAP)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    for c, name in enumerate(samples.class_names):
        rows = np.flatnonzero(samples.y == c)
        chosen = rows[np.linspace(0, len(rows) - 1, min(per_class, len(rows))).round().astype(int)]
        pen.text((GAP, c * (SIDE + GAP) + GAP), f"{name[:14]}\n{len(rows)}", fill="black", font=font)
        for place, i in enumerate(chosen.tolist()):
            picture = Image.fromarray(samples.pictures.whole(i))
            if boxes is not None and boxes[i].any():
                width = max(2, picture.width // 60)
                ImageDraw.Draw(picture).rectangle(boxes[i].tolist(), outline=_FRAME, width=width)
            picture.thumbnail((SIDE, SIDE))
            sheet.paste(picture, (NAME_WIDTH + place * (SIDE + GAP), c * (SIDE + GAP)))
    return sheet
