"""`source: synthetic_faces`: drawn faces in seven expressions, several pictures of each person, known wrong labels."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fer_sweep.data.action_units import draw_action_units, effects_of
from fer_sweep.data.cache import Cache
from fer_sweep.data.face_drawing import draw_face
from fer_sweep.data.face_identity import draw_circumstances, draw_identity
from fer_sweep.data.labels import EXPRESSIONS
from fer_sweep.data.pictures import Pictures, Pixels, digest_of, one_by_one, whole_boxes
from fer_sweep.data.planted import plant, warnings_of
from fer_sweep.data.samples import IntArray, Samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import SyntheticFaces

MANIFEST = "manifest.csv"
_CLASSES = len(EXPRESSIONS)


def synthetic_face_samples(config: SyntheticFaces, cache: Cache | None = None) -> Samples:
    """N drawn faces, a function of the settings alone; labels and persons are dealt as by `synthetic_features`.

    A person keeps shape, skin and hair; pose, light, background, blur, noise and the intensity of each action unit
    differ from picture to picture. Exactly round(wrong_labels * N) labels are replaced by a label drawn from the other
    six and flagged in `planted`; pictures do not depend on `wrong_labels`. Raises DataError if there are more persons
    than samples.
    """
    return drawn_samples(config, list(draw_faces(config)), cache)


def draw_faces(config: SyntheticFaces) -> Iterator[Pixels]:
    """The N pictures, one after another, so that who draws many can say how far it is. Raises DataError at once."""
    if config.persons > config.samples:
        raise DataError(
            f"data.persons: {config.persons} is more than data.samples: {config.samples}. Every person needs a "
            "picture, and the protocol makes sense only with several per person."
        )
    truth, person = _dealt(config)
    identities = [draw_identity(np.random.default_rng([config.seed, 2, p])) for p in range(config.persons)]

    def drawn(i: int) -> Pixels:
        rng = np.random.default_rng([config.seed, 3, i])
        effects = effects_of(draw_action_units(EXPRESSIONS[truth[i]], config.strength, rng))
        return draw_face(identities[person[i]], effects, draw_circumstances(rng), size=config.size, rng=rng)

    return one_by_one(drawn, range(config.samples))


def _dealt(config: SyntheticFaces) -> tuple[IntArray, IntArray]:
    """(N,) true class and (N,) person of every picture."""
    dealt = np.random.default_rng([config.seed, 0]).permutation(config.samples).astype(np.int64)
    return dealt % _CLASSES, dealt * config.persons // config.samples


def drawn_samples(config: SyntheticFaces, pictures: Sequence[Pixels], cache: Cache | None = None) -> Samples:
    """The samples that the pictures of `draw_faces` are."""
    n, persons = config.samples, config.persons
    truth, person = _dealt(config)
    flips = np.random.default_rng([config.seed, 1])
    y, planted = plant(truth, config.wrong_labels, classes=_CLASSES, random=flips)
    return Samples(
        x=Pictures(
            tuple(pictures), tuple(map(digest_of, pictures)), whole_boxes([(config.size, config.size)] * n), cache
        ),
        y=y,
        person=person,
        ids=tuple(f"face-{i:0{len(str(n - 1))}d}" for i in range(n)),
        class_names=EXPRESSIONS,
        person_names=tuple(f"person-{i:0{len(str(persons - 1))}d}" for i in range(persons)),
        planted=planted,
        warnings=warnings_of(planted),
    )


def write_faces(samples: Samples, folder: Path) -> Path:
    """Write pictures as `<folder>/<class>/<person>_<number>.png`, which `source: folder` reads back with their persons,
    and `<folder>/manifest.csv` (path, label, person, planted). Returns the manifest's path.

    Raises DataError if the folder is a file, or exists and is not empty, or cannot be written.
    """
    for _ in writing_faces(samples, folder):
        pass
    return folder / MANIFEST


def writing_faces(samples: Samples, folder: Path) -> Iterator[Path]:
    """As `write_faces`, but every picture's path as soon as it is written; the manifest comes last, whole."""
    check_new_folder(folder)
    digits = max(4, len(str(len(samples) - 1)))
    rows: list[tuple[str, str, str, int]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(len(samples)):
            label, person = samples.class_names[samples.y[i]], samples.person_names[samples.person[i]]
            path = folder / label / f"{person}_{i:0{digits}d}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(samples.pictures.whole(i)).save(path)
            planted = samples.planted is not None and bool(samples.planted[i])
            rows.append((path.relative_to(folder).as_posix(), label, person, int(planted)))
            yield path
        with (folder / MANIFEST).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([("path", "label", "person", "planted"), *rows])
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror}. Name another folder.") from error


def check_new_folder(folder: Path) -> None:
    """Raises DataError unless `folder` is empty or not there yet."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file, not a folder. Name a new folder.")
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty. Name a new folder, so that nothing is mixed or overwritten.")
