"""Where the face is in a picture: Viola-Jones detection, and what to do where none is found."""

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fer_sweep.data.pictures import Pictures, Pixels, each
from fer_sweep.data.samples import BoolArray, Samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import FaceOptions

CASCADES = ("haarcascade_frontalface_alt2", "haarcascade_frontalface_default", "haarcascade_profileface")
"""In this order; the profile cascade knows left profiles and is also tried on the mirrored picture. On SFEW's frames
the first alone misses a quarter, all together an eighth."""
LONGEST, SHORTEST = 360, 96
"""Pictures are scaled to this longer side before detection, unless the shorter one would fall below the other."""
SCALE_STEP, NEIGHBOURS, SMALLEST = 1.1, 3, 30

Ints = npt.NDArray[np.int32]


def with_faces(samples: Samples, options: FaceOptions) -> Samples:
    """The samples with the boxes of their pictures around the face, as `face`, `margin` and `no_face` say.

    Raises DataError if no samples remain, or a class loses all of its samples.
    """
    if options.face == "whole":
        return samples
    pictures, found = look_at_faces(samples.pictures, options)
    samples = replace(samples, x=pictures)
    missed = len(samples) - int(found.sum())
    if not missed:
        return samples
    done = {
        "whole": "the whole picture is used",
        "centre": "the square in the centre is used",
        "drop": "left out",
    }[options.no_face]
    warning = f"No face was found in {missed} of {len(samples)} pictures: {done} (data.no_face: {options.no_face})."
    if options.no_face == "drop":
        samples = _selected(samples, np.flatnonzero(found))
    return replace(samples, warnings=(*samples.warnings, warning))


def look_at_faces(pictures: Pictures, options: FaceOptions) -> tuple[Pictures, BoolArray]:
    """The pictures with their boxes around the face as `options` say, and in which (N,) of them one was found. Where
    none was, the box is the whole picture, or with `no_face: centre` the square in its centre. With `face: whole` every
    picture is a face."""
    if options.face == "whole":
        return pictures, np.ones(len(pictures), dtype=np.bool_)
    faces = find_faces(pictures)
    found = faces[:, 0] == 1
    boxes = np.stack(
        [
            _with_margin(face, box, options.margin) if there else _without_face(box, options.no_face)
            for face, box, there in zip(faces[:, 1:], pictures.boxes, found, strict=True)
        ]
    )
    return replace(pictures, boxes=boxes), found


def find_faces(pictures: Pictures) -> Ints:
    """(N, 5) found (0 or 1), then left, top, right, bottom of the largest face, in pixels of the upright picture.

    Viola and Jones 2001, with OpenCV's Haar cascades; remembered by the pictures' cache.
    """
    local = threading.local()  # a cascade keeps state while it works: every thread has its own

    def of(i: int) -> Ints:
        if not hasattr(local, "cascades"):
            local.cascades = _cascades()
        return _largest_face(pictures.whole(i), local.cascades)

    def compute() -> Ints:
        _cascades()  # OpenCV's import must not be begun by several threads at once; and a lack of cascades shows here
        return np.stack(each(of, range(len(pictures))))

    settings = (CASCADES, LONGEST, SHORTEST, SCALE_STEP, NEIGHBOURS, SMALLEST)
    return np.asarray(pictures.computed("faces", settings, compute))


def _cascades() -> list[Any]:
    import cv2

    if not hasattr(cv2, "CascadeClassifier"):
        raise DataError(
            f"data.face: viola_jones needs OpenCV 4, but version {cv2.__version__} has no CascadeClassifier. Install "
            "opencv-python-headless<5, or use data.face: whole."
        )
    cv2.setNumThreads(1)  # every core has a picture of its own: more threads only wait for each other
    return [cv2.CascadeClassifier(f"{cv2.__path__[0]}/data/{name}.xml") for name in CASCADES]


def _largest_face(picture: Pixels, cascades: list[Any]) -> Ints:
    import cv2

    h, w = picture.shape[:2]
    scale = max(LONGEST / max(h, w), SHORTEST / min(h, w))
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    scaled = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    width = scaled.shape[1]
    *frontal, profile = cascades
    for cascade, mirrored in (*((c, False) for c in frontal), (profile, False), (profile, True)):
        seen = np.ascontiguousarray(scaled[:, ::-1]) if mirrored else scaled
        faces = cascade.detectMultiScale(
            seen, scaleFactor=SCALE_STEP, minNeighbors=NEIGHBOURS, minSize=(SMALLEST, SMALLEST)
        )
        if len(faces):
            left, top, side, height = max(faces, key=lambda face: (face[2] * face[3], -face[0], -face[1]))
            left = width - left - side if mirrored else left
            corners = np.array([left, top, left + side, top + height]) / scale
            return np.array([1, *np.rint(corners).clip(0, [w, h, w, h])], dtype=np.int32)
    return np.zeros(5, dtype=np.int32)


def _with_margin(face: Ints, whole: Ints, margin: float) -> Ints:
    """The face's box, wider by `margin` times its width on each side, inside the whole picture's."""
    extra = round(margin * float(face[2] - face[0]))
    grown = face + np.array([-extra, -extra, extra, extra])
    clipped: Ints = grown.clip(whole[[0, 1, 0, 1]], whole[[2, 3, 2, 3]]).astype(np.int32)
    return clipped


def _without_face(whole: Ints, no_face: str) -> Ints:
    if no_face != "centre":
        return whole
    left, top, right, bottom = whole
    side = min(right - left, bottom - top)
    left, top = left + (right - left - side) // 2, top + (bottom - top - side) // 2
    return np.array([left, top, left + side, top + side], dtype=np.int32)


def _selected(samples: Samples, rows: npt.NDArray[np.int64]) -> Samples:
    """These rows only; persons without a picture are forgotten, classes are not."""
    if len(lost := sorted(set(samples.y.tolist()) - set(samples.y[rows].tolist()))):
        raise DataError(
            f"No face was found in any picture of class {samples.class_names[lost[0]]}, so data.no_face: drop leaves "
            "nothing of it. Use data.no_face: whole or centre, or data.face: whole."
        )
    persons, person = np.unique(samples.person[rows], return_inverse=True)
    return replace(
        samples,
        x=samples.pictures.select(rows.tolist()),
        y=samples.y[rows],
        person=person.astype(np.int64),
        ids=tuple(samples.ids[i] for i in rows),
        person_names=tuple(samples.person_names[i] for i in persons),
        planted=None if samples.planted is None else samples.planted[rows],
        part=None if samples.part is None else samples.part[rows],
    )
