"""What people send: every form of a picture is the same picture, and what is none is named."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from fer_sweep.errors import DataError
from fer_sweep.serving import FeatureRows
from fer_sweep.serving.requests import columns_of, pictures_of

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)


def png(pixels: npt.NDArray[np.uint8] = PIXELS) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()


def test_all_forms_are_the_same_picture(tmp_path: Path) -> None:
    (tmp_path / "a.PNG").write_bytes(png())
    text = base64.b64encode(png()).decode()
    rows_of_rows = np.empty(12, dtype=object)
    rows_of_rows[:] = [row.tolist() for row in PIXELS]

    cells: list[Any] = [
        tmp_path / "a.PNG", str(tmp_path / "a.PNG"), png(), bytearray(png()), text, f"data:image/png;base64,{text}",
        PIXELS, PIXELS.astype(np.float64), PIXELS.tolist(), rows_of_rows,
    ]  # fmt: skip
    pictures = pictures_of(cells)

    assert len(pictures) == len(cells)
    for i in range(len(cells)):
        np.testing.assert_array_equal(pictures.whole(i), PIXELS)
    assert (pictures.boxes == [0, 0, 10, 12]).all()


def test_a_grey_array_is_a_picture_too() -> None:
    whole = pictures_of([PIXELS[:, :, 0]]).whole(0)

    np.testing.assert_array_equal(whole, np.repeat(PIXELS[:, :, :1], 3, axis=2))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("face.jpg", r"face\.jpg cannot be read: No such file"),
        ("no picture", r"image 1 \('no picture'\) is neither base64 text nor a path that ends in \.avif"),
        ("x" * 99, r"image 1 \('x{37}\.\.\.'\) is neither"),
        (b"GIF", r"image 1 is no readable picture: not a picture"),
        (b"", r"image 1 is no readable picture: the file is empty"),
        (None, r"image 1 is of type NoneType, which is no picture"),
        ([[1, 2], [3]], r"image 1 is a list of rows of unequal length"),
        ([[1, 2], [3, 256]], r"image 1 has values that are no numbers from 0 to 255"),
        ([["a"]], r"image 1 has values that are no numbers from 0 to 255"),
        ([[0.5]], r"image 1 has values that are no whole numbers"),
        (np.zeros((3, 4, 5), np.uint8), r"image 1 is an array of shape \(3, 4, 5\) and type uint8"),
    ],
)
def test_what_is_no_picture_is_named(cell: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        pictures_of([png(), cell])


def test_columns_are_found_by_name() -> None:
    rows = FeatureRows(("a", "b"))

    assert columns_of(rows, ["id", "b", "a", "b"]) == [2, 1]
    with pytest.raises(DataError, match=r"lacks 1 of the 2 features .*: a\. Its columns are id, b; give a, b\."):
        columns_of(rows, ["id", "b"])
