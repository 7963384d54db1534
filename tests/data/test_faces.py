"""Face boxes: found, widened, and replaced where no face is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fer_sweep.data import Samples, load_samples
from fer_sweep.data import faces as detection
from fer_sweep.data.cache import Cache
from fer_sweep.data.faces import find_faces, with_faces
from fer_sweep.data.pictures import digest_of
from fer_sweep.errors import DataError
from fer_sweep.spec.data import SyntheticFaces

SIZE = 96


def config(**settings: Any) -> SyntheticFaces:
    return SyntheticFaces(source="synthetic_faces", samples=28, persons=4, size=SIZE, **settings)


@pytest.fixture(scope="module")
def samples() -> Samples:
    """Drawn faces, of which the last four are replaced by plain grey."""
    drawn = load_samples(config())
    grey = np.full((SIZE, SIZE + 20, 3), 128, dtype=np.uint8)
    sources = (*drawn.pictures.sources[:24], *[grey] * 4)
    boxes = drawn.pictures.boxes.copy()
    boxes[24:] = (0, 0, SIZE + 20, SIZE)
    digests = (*drawn.pictures.digests[:24], *[digest_of(grey)] * 4)
    return replace(drawn, x=replace(drawn.pictures, sources=sources, boxes=boxes, digests=digests))


def test_boxes_lie_inside_and_hold_the_face(samples: Samples) -> None:
    faces = find_faces(samples.pictures)

    assert faces[:24, 0].mean() > 0.6
    assert not faces[24:].any()
    boxes = faces[faces[:, 0] == 1, 1:]
    assert boxes.min() >= 0
    assert boxes.max() <= SIZE
    middle = (boxes[:, :2] < SIZE / 2).all(axis=1) & (boxes[:, 2:] > SIZE / 2).all(axis=1)
    assert middle.mean() > 0.8


def test_a_margin_widens_the_box(samples: Samples) -> None:
    tight, wide = (with_faces(samples, config(face="viola_jones", margin=m)).pictures.boxes for m in (0.0, 0.3))

    assert (wide[:, 2] - wide[:, 0] >= tight[:, 2] - tight[:, 0]).all()
    assert (wide[:, 2] - wide[:, 0]).sum() > (tight[:, 2] - tight[:, 0]).sum()
    assert wide.min() >= 0


def test_without_a_face_the_picture_is_taken_cut_or_dropped(samples: Samples) -> None:
    whole = with_faces(samples, config(face="viola_jones"))
    centre = with_faces(samples, config(face="viola_jones", no_face="centre"))
    dropped = with_faces(samples, config(face="viola_jones", no_face="drop"))
    missed = int((find_faces(samples.pictures)[:, 0] == 0).sum())

    assert whole.pictures.boxes[-1].tolist() == [0, 0, SIZE + 20, SIZE]
    assert centre.pictures.boxes[-1].tolist() == [10, 0, 10 + SIZE, SIZE]
    assert f"No face was found in {missed} of 28 pictures: the whole picture is used" in whole.warnings[-1]
    assert len(dropped) == 28 - missed
    assert len(dropped.ids) == len(dropped.y) == len(dropped.person) == len(dropped.pictures)
    assert dropped.planted is not None
    assert len(dropped.planted) == len(dropped)
    assert set(dropped.person) == set(range(len(dropped.person_names)))


def test_a_class_that_would_vanish_is_an_error(samples: Samples) -> None:
    y = np.zeros(28, dtype=np.int64)
    y[24:] = 1

    with pytest.raises(DataError, match=r"No face was found in any picture of class Disgust"):
        with_faces(replace(samples, y=y), config(face="viola_jones", no_face="drop"))


def test_whole_pictures_are_not_searched(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "find_faces", None)

    assert with_faces(samples, config()) is samples


def test_faces_are_found_once(samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = replace(samples.pictures, cache=Cache(tmp_path))
    first = find_faces(pictures)
    monkeypatch.setattr(detection, "_cascades", None)

    np.testing.assert_array_equal(find_faces(pictures), first)


def test_an_opencv_without_cascades_is_named(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier")

    with pytest.raises(DataError, match=r"viola_jones needs OpenCV 4, but version .* has no CascadeClassifier"):
        find_faces(samples.pictures)
