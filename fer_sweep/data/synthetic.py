"""`source: synthetic_features`: seven expressions, persons with their own offset, wrong labels that are known."""

import numpy as np

from fer_sweep.data.cells import Matrix
from fer_sweep.data.labels import EXPRESSIONS
from fer_sweep.data.planted import plant, warnings_of
from fer_sweep.data.samples import Samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import SyntheticFeatures

_CLASSES = len(EXPRESSIONS)


def synthetic_samples(config: SyntheticFeatures) -> Samples:
    """x (N, d) = class centre + person offset + unit Gaussian noise; a function of the settings alone.

    Class counts and person sizes differ by at most one. Any two centres are `separation` apart if d is at least 7;
    with fewer dimensions their directions are random. Exactly round(wrong_labels * N) labels are replaced by a label
    drawn from the other six and flagged in `planted`; features do not depend on `wrong_labels`.
    Raises DataError if there are more persons than samples.
    """
    n, persons = config.samples, config.persons
    if persons > n:
        raise DataError(
            f"data.persons: {persons} is more than data.samples: {n}. Every person needs a sample, and the protocol "
            "makes sense only with several per person."
        )
    geometry, order, flips = (np.random.default_rng(s) for s in np.random.SeedSequence(config.seed).spawn(3))
    dealt = order.permutation(n)
    # consecutive places hold consecutive classes and one person at a time: balanced in both
    truth, person = dealt % _CLASSES, dealt * persons // n
    offsets = config.person_spread * geometry.standard_normal((persons, config.features))
    centres = _centres(config.features, config.separation, geometry)
    x = centres[truth] + offsets[person] + geometry.standard_normal((n, config.features))

    y, planted = plant(truth.astype(np.int64), config.wrong_labels, classes=_CLASSES, random=flips)
    return Samples(
        x=x.astype(np.float32),
        y=y,
        person=person.astype(np.int64),
        ids=tuple(f"sample-{i:0{len(str(n - 1))}d}" for i in range(n)),
        class_names=EXPRESSIONS,
        person_names=tuple(f"person-{i:0{len(str(persons - 1))}d}" for i in range(persons)),
        planted=planted,
        warnings=warnings_of(planted),
    )


def _centres(features: int, separation: float, rng: np.random.Generator) -> Matrix:
    """Class centres (7, d): orthogonal where d allows, of equal length, so that they lie `separation` apart."""
    directions = rng.standard_normal((features, _CLASSES))
    if features >= _CLASSES:
        directions, _ = np.linalg.qr(directions)
    else:
        directions /= np.linalg.norm(directions, axis=0)
    centres: Matrix = directions.T * (separation / np.sqrt(2.0))
    return centres
