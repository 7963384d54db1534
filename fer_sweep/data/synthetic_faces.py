"""`source: synthetic_faces`: drawn faces in seven expressions, several pictures of each person, known wrong labels."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from fer_sweep.data.action_units import draw_action_units, effects_of
from fer_sweep.data.cache import Cache
from fer_sweep.data.face_drawing import draw_face
from fer_sweep.data.face_identity import draw_circumstances, draw_identity
from fer_sweep.data.labels import EXPRESSIONS
from fer_sweep.data.pictures import Pictures, Pixels, digest_of, each, whole_boxes
from fer_sweep.data.samples import Samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import SyntheticFaces

_CLASSES = len(EXPRESSIONS)


def synthetic_face_samples(config: SyntheticFaces, cache: Cache | None = None) -> Samples:
    """N drawn faces, a function of the settings alone; labels and persons are dealt as by `synthetic_features`.

    A person keeps shape, skin and hair; pose, light, background, blur, noise and the intensity of each action unit
    differ from picture to picture. Exactly round(wrong_labels * N) labels are replaced by a label drawn from the other
    six and flagged in `planted`; pictures do not depend on `wrong_labels`. Raises DataError if there are more persons
    than samples.
    """
    n, persons = config.samples, config.persons
    if persons > n:
        raise DataError(
            f"data.persons: {persons} is more than data.samples: {n}. Every person needs a picture, and the protocol "
            "makes sense only with several per person."
        )
    order, flips = (np.random.default_rng([config.seed, stream]) for stream in (0, 1))
    dealt = order.permutation(n)
    truth, person = dealt % _CLASSES, dealt * persons // n
    identities = [draw_identity(np.random.default_rng([config.seed, 2, p])) for p in range(persons)]

    def drawn(i: int) -> Pixels:
        rng = np.random.default_rng([config.seed, 3, i])
        effects = effects_of(draw_action_units(EXPRESSIONS[truth[i]], config.strength, rng))
        return draw_face(identities[person[i]], effects, draw_circumstances(rng), size=config.size, rng=rng)

    pictures = each(drawn, range(n))
    wrong = flips.choice(n, size=round(config.wrong_labels * n), replace=False)
    planted = np.zeros(n, dtype=np.bool_)
    planted[wrong] = True
    y = truth.astype(np.int64)
    y[wrong] = (y[wrong] + flips.integers(1, _CLASSES, size=len(wrong))) % _CLASSES
    return Samples(
        x=Pictures(
            tuple(pictures), tuple(map(digest_of, pictures)), whole_boxes([(config.size, config.size)] * n), cache
        ),
        y=y,
        person=person.astype(np.int64),
        ids=tuple(f"face-{i:0{len(str(n - 1))}d}" for i in range(n)),
        class_names=EXPRESSIONS,
        person_names=tuple(f"person-{i:0{len(str(persons - 1))}d}" for i in range(persons)),
        planted=planted,
        warnings=(
            (f"{len(wrong)} of {n} labels are wrong on purpose, on the test side too, which limits every score.",)
            if len(wrong)
            else ()
        ),
    )


def write_faces(samples: Samples, folder: Path) -> Path:
    """Write pictures as `<folder>/<class>/<person>_<number>.png`, which `source: folder` reads back with their persons,
    and `<folder>/manifest.csv` (path, label, person, planted). Returns the manifest's path.

    Raises DataError if the folder exists and is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty. Name a new folder, so that nothing is mixed or overwritten.")
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.csv"
    digits = max(4, len(str(len(samples) - 1)))
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "person", "planted"])
        for i in range(len(samples)):
            label, person = samples.class_names[samples.y[i]], samples.person_names[samples.person[i]]
            path = folder / label / f"{person}_{i:0{digits}d}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(samples.pictures.whole(i)).save(path)
            planted = samples.planted is not None and bool(samples.planted[i])
            writer.writerow([path.relative_to(folder).as_posix(), label, person, int(planted)])
    return manifest
