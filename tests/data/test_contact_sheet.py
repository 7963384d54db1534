"""The contact sheet: what is where on it."""

import numpy as np
import numpy.typing as npt

from fer_sweep.data import Samples
from fer_sweep.data.contact_sheet import GAP, NAME_WIDTH, SIDE, contact_sheet
from fer_sweep.data.pictures import Pictures, digest_of, whole_boxes

BLUE, WHITE, FRAME = (0, 0, 255), (255, 255, 255), (213, 94, 0)


def blue_samples(shapes: list[tuple[int, int]], y: list[int], classes: tuple[str, ...]) -> Samples:
    """Blue pictures of these (height, width)."""
    arrays = [np.full((h, w, 3), BLUE, dtype=np.uint8) for h, w in shapes]
    n = len(arrays)
    pictures = Pictures(tuple(arrays), tuple(map(digest_of, arrays)), whole_boxes([(w, h) for h, w in shapes]))
    names = tuple(f"p{i}" for i in range(n))
    return Samples(pictures, np.array(y), np.arange(n), ids=names, class_names=classes, person_names=names)


def cell(sheet: npt.NDArray[np.uint8], row: int, place: int) -> npt.NDArray[np.uint8]:
    top, left = row * (SIDE + GAP), NAME_WIDTH + place * (SIDE + GAP)
    return sheet[top : top + SIDE, left : left + SIDE]


def test_classes_are_rows_with_their_name_at_the_left() -> None:
    samples = blue_samples([(SIDE, SIDE)] * 4, [0, 0, 0, 1], ("Angry", "Happy"))

    sheet = np.asarray(contact_sheet(samples, per_class=2))

    assert sheet.shape == (2 * (SIDE + GAP), NAME_WIDTH + 2 * (SIDE + GAP), 3)
    filled = [[bool((cell(sheet, row, place) == BLUE).all()) for place in (0, 1)] for row in (0, 1)]
    assert filled == [[True, True], [True, False]]
    for row in (0, 1):
        name = sheet[row * (SIDE + GAP) :][:SIDE, :NAME_WIDTH]
        assert (name < 100).any()
    assert (cell(sheet, 1, 1) == WHITE).all()


def test_pictures_keep_their_aspect_and_small_ones_their_size() -> None:
    samples = blue_samples([(400, 200), (100, 400), (26, 33)], [0, 0, 0], ("Angry",))

    sheet = np.asarray(contact_sheet(samples, per_class=3))

    def extent(place: int) -> tuple[int, int]:
        rows, columns = np.nonzero((cell(sheet, 0, place) == BLUE).all(axis=2))
        return int(rows.max()) + 1, int(columns.max()) + 1

    assert [extent(place) for place in range(3)] == [(SIDE, SIDE // 2), (SIDE // 4, SIDE), (26, 33)]


def test_found_faces_are_framed_and_others_are_not() -> None:
    samples = blue_samples([(SIDE, SIDE)] * 2, [0, 0], ("Angry",))
    boxes = np.array([[10, 20, 60, 70], [0, 0, 0, 0]], dtype=np.int32)

    sheet = np.asarray(contact_sheet(samples, per_class=2, boxes=boxes))

    framed = (cell(sheet, 0, 0) == FRAME).all(axis=2)
    rows, columns = np.nonzero(framed)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (10, 20, 60, 70)
    assert not framed[40, 40]
    assert (cell(sheet, 0, 1) == BLUE).all()
    assert (samples.pictures.whole(0) == BLUE).all()  # the picture itself is left alone


def test_pictures_are_taken_at_even_distances_and_a_class_may_be_empty() -> None:
    samples = blue_samples([(10 + i, 10) for i in range(9)], [0] * 9, ("Angry", "Happy"))

    sheet = np.asarray(contact_sheet(samples, per_class=3))

    heights = [int((cell(sheet, 0, place) == BLUE).all(axis=2)[:, 0].sum()) for place in range(3)]
    assert heights == [10, 14, 18]
    assert (sheet[SIDE + GAP :, NAME_WIDTH:] == WHITE).all()
