"""Folds: who trains and who tests, repeated, reproducible, and checked for persons on both sides."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from fer_sweep.data.balance import balanced_parts
from fer_sweep.data.cells import Matrix
from fer_sweep.data.samples import NO_PART, BoolArray, IntArray, Samples
from fer_sweep.errors import DataError
from fer_sweep.spec.trial import ProtocolConfig

Drawn = TypeVar("Drawn", IntArray, BoolArray)

_ATTEMPTS = 20
"""Partitions drawn in the hope of one whose training parts have every class."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold of one repeat: sorted sample indices, disjoint, together all samples. `validation` may be empty; `test`
    only where nothing is measured."""

    repeat: int
    fold: int
    train: IntArray
    validation: IntArray
    test: IntArray


@dataclass(frozen=True)
class FoldCounts:
    """Samples of each class on each side of a fold, in class order."""

    repeat: int
    fold: int
    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Split:
    """All folds of all repeats.

    folds: repeats x folds of them, ordered by (repeat, fold)
    person_independent: True if and only if no person is on two sides of any fold (checked, not assumed)
    hash:  16 hex digits of all indices; equal exactly when all folds are
    """

    folds: tuple[Fold, ...]
    person_independent: bool
    hash: str

    @property
    def has_validation(self) -> bool:
        """Whether the objective is computed on validation parts, rather than on the test parts."""
        return all(len(fold.validation) for fold in self.folds)

    @property
    def test_to_train(self) -> float:
        """Mean over folds of the number of test samples per training sample."""
        return float(np.mean([len(fold.test) / len(fold.train) for fold in self.folds]))

    def class_counts(self, samples: Samples) -> tuple[FoldCounts, ...]:
        """Class counts of every fold; `samples` are those the split was made for."""

        def count(indices: IntArray) -> tuple[int, ...]:
            return tuple(np.bincount(samples.y[indices], minlength=samples.classes).tolist())

        return tuple(
            FoldCounts(fold.repeat, fold.fold, count(fold.train), count(fold.validation), count(fold.test))
            for fold in self.folds
        )


def make_split(
    samples: Samples, protocol: ProtocolConfig, *, seed: int | None = None, repeats: int | None = None
) -> Split:
    """Divides `samples` as `protocol` says; `seed` and `repeats` replace those of the protocol.

    Repeat r is a function of (samples, folds, split, validation_fraction, seed, r) alone, and its test sides do not
    depend on validation_fraction. `split: person` keeps persons together and balances class counts and sizes as well
    as that allows (Dhall et al. 2011 used two such sets); `random` and `stratified` ignore persons; `official` is
    one fold, the data set's own.

    Raises DataError if there are too few samples or persons, or if a training part would lack a class.
    """
    _check_enough(samples, protocol)
    seed = protocol.seed if seed is None else seed
    folds = tuple(
        fold
        for repeat in range(protocol.repeats if repeats is None else repeats)
        for fold in _repeat(samples, protocol, seed, repeat)
    )
    return split_of(samples, folds)


def split_of(samples: Samples, folds: tuple[Fold, ...]) -> Split:
    """These folds as a split, checked for persons on two sides."""
    return Split(folds, all(_keeps_persons_apart(samples, fold) for fold in folds), _hash(folds))


def undivided(samples: Samples) -> Fold:
    """The fold that trains on all samples and tests on none."""
    nothing = np.empty(0, dtype=np.int64)
    return Fold(0, 0, np.arange(len(samples)), nothing, nothing)


def without_test(samples: Samples, protocol: ProtocolConfig) -> Fold:
    """The fold of who tests elsewhere: trains on all samples but the share protocol.validation_fraction, which is its
    validation part by the same rule as in a split. `split: official` is the data set's own fold, test part included, so
    that it stays unseen.

    Raises DataError if there are too few samples or persons, or if the training part would lack a class.
    """
    if protocol.split == "official":
        return _official(samples, protocol, protocol.seed, 0)[0]
    whole = undivided(samples)
    rng = np.random.default_rng([protocol.seed, 0, 0])
    out = _held_out(samples, protocol, whole.train, rng, protocol.validation_fraction)
    fold = Fold(0, 0, whole.train[~out], whole.train[out], whole.test)
    _check_training_classes(samples, protocol, fold)
    return fold


def _check_enough(samples: Samples, protocol: ProtocolConfig) -> None:
    sides = protocol.folds + (protocol.validation_fraction > 0)
    wanted = f"protocol.folds: {protocol.folds}" + (" and a validation part" if sides > protocol.folds else "")
    if len(samples) < sides:
        raise DataError(f"{wanted} need {sides} samples or more, but there are {len(samples)}. Use fewer folds.")
    persons = len(np.unique(samples.person))
    if protocol.split == "person" and persons < sides:
        raise DataError(
            f"{wanted} with protocol.split: person need {sides} persons or more, but there are {persons}. "
            "Use fewer folds, or protocol.split: stratified, which is not person independent."
        )


def _official(samples: Samples, protocol: ProtocolConfig, seed: int, repeat: int) -> list[Fold]:
    """The one fold that the data set's authors made; without their validation part one is carved out of training."""
    if samples.part is None:
        raise DataError(
            "protocol.split: official needs data that come divided into training and test pictures (Train and Val "
            "folders, FER-2013's Usage, a manifest's part), but these do not. Use protocol.split: person."
        )
    if len(outside := np.flatnonzero(samples.part == NO_PART)):
        named = ", ".join(samples.ids[i] for i in outside[:3]) + (", ..." if len(outside) > 3 else "")
        raise DataError(
            f"protocol.split: official, but {len(outside)} of {len(samples)} samples belong to no official part: "
            f"{named}. Move them into the folder of a part, remove them, or name their part in a data.manifest; or use "
            "protocol.split: person."
        )
    train, validation, test = (np.flatnonzero(samples.part == part) for part in range(3))
    for name, side in (("training", train), ("test", test)):
        if not len(side):
            raise DataError(f"protocol.split: official, but no sample belongs to the {name} part. Use split: person.")
    if not len(validation):
        rng = np.random.default_rng([seed, repeat, 1])
        held_out = _held_out(samples, protocol, train, rng, protocol.validation_fraction)
        train, validation = train[~held_out], train[held_out]
    fold = Fold(repeat, 0, train, validation, test)
    _check_training_classes(samples, protocol, fold)
    return [fold]


def _repeat(samples: Samples, protocol: ProtocolConfig, seed: int, repeat: int) -> list[Fold]:
    if protocol.split == "official":
        return _official(samples, protocol, seed, repeat)
    k, fraction = protocol.folds, protocol.validation_fraction
    everyone = np.arange(len(samples))
    rng = np.random.default_rng([seed, repeat, 0])

    def partition() -> IntArray:
        match protocol.split:
            case "person":
                part = _by_person(samples, everyone, np.full(k, 1.0 / k), rng)
            case "stratified":
                part = np.empty(len(samples), dtype=np.int64)
                part[_class_by_class(samples, everyone, rng)] = everyone % k
            case "random":
                part = np.empty(len(samples), dtype=np.int64)
                part[rng.permutation(len(samples))] = everyone % k
        return rng.permutation(k)[part]  # which fold gets a remainder is left to chance

    def trains_every_class(part: IntArray) -> bool:
        return all(_has_every_class(samples, np.flatnonzero(part != f)) for f in range(k))

    part = _first_good(partition, trains_every_class)
    folds = []
    for f in range(k):
        side = np.flatnonzero(part != f)
        held_out = _held_out(samples, protocol, side, np.random.default_rng([seed, repeat, 1 + f]), fraction)
        fold = Fold(repeat, f, side[~held_out], side[held_out], np.flatnonzero(part == f))
        _check_training_classes(samples, protocol, fold)
        folds.append(fold)
    return folds


def _first_good(draw: Callable[[], Drawn], good: Callable[[Drawn], bool]) -> Drawn:
    """The first drawn partition that is good, or the last one drawn."""
    for _ in range(_ATTEMPTS):
        drawn = draw()
        if good(drawn):
            break
    return drawn


def _held_out(
    samples: Samples, protocol: ProtocolConfig, side: IntArray, rng: np.random.Generator, fraction: float
) -> BoolArray:
    """Which of the training side's samples (n,) form the validation part, by the same rule as the folds."""
    n = len(side)
    if fraction == 0.0:
        return np.zeros(n, dtype=np.bool_)
    size = max(1, round(fraction * n))

    def carve() -> BoolArray:
        held_out = np.zeros(n, dtype=np.bool_)
        match protocol.split:
            case "person":
                held_out = _persons_held_out(samples, side, fraction, rng)
            case "stratified" | "official":
                # every (n / size)-th sample of the classes laid end to end: each class within one of its share
                ticks = np.floor(np.arange(n + 1) * size / n + rng.random())
                held_out[_class_by_class(samples, side, rng)[np.diff(ticks) > 0]] = True
            case "random":
                held_out[rng.permutation(n)[:size]] = True
        return held_out

    return _first_good(carve, lambda held_out: _has_every_class(samples, side[~held_out]))


def _by_person(samples: Samples, indices: IntArray, shares: Matrix, rng: np.random.Generator) -> IntArray:
    """Part (n,) of every sample in `indices` (n,), the same for all samples of a person."""
    persons, member = np.unique(samples.person[indices], return_inverse=True)
    cells = np.bincount(member * samples.classes + samples.y[indices], minlength=len(persons) * samples.classes)
    return balanced_parts(cells.reshape(len(persons), samples.classes), shares, rng)[member]


def _persons_held_out(samples: Samples, side: IntArray, fraction: float, rng: np.random.Generator) -> BoolArray:
    persons, sizes = np.unique(samples.person[side], return_counts=True)
    if len(persons) < 2:
        raise DataError(
            f"A training side has a single person ({samples.person_names[persons[0]]}), so no validation part can be "
            "taken from it. Set protocol.validation_fraction: 0, or use data with more persons."
        )
    held_out: BoolArray = _by_person(samples, side, np.array([1.0 - fraction, fraction]), rng) == 1
    if not held_out.any():
        held_out = samples.person[side] == persons[sizes.argmin()]
    return held_out


def _class_by_class(samples: Samples, indices: IntArray, rng: np.random.Generator) -> IntArray:
    """Positions 0..n-1 of `indices` (n,) ordered by class, in random order within a class."""
    return np.lexsort((rng.random(len(indices)), samples.y[indices]))


def _has_every_class(samples: Samples, indices: IntArray) -> bool:
    return bool(np.bincount(samples.y[indices], minlength=samples.classes).all())


def _check_training_classes(samples: Samples, protocol: ProtocolConfig, fold: Fold) -> None:
    counts = np.bincount(samples.y[fold.train], minlength=samples.classes)
    if counts.all():
        return
    name = samples.class_names[int(counts.argmin())]
    persons = len(np.unique(samples.person[samples.y == counts.argmin()]))
    remedy = {
        "person": f"The class has samples of {persons} person(s); remove it, or add persons to it",
        "random": "Use protocol.split: stratified or person",
        "stratified": "Add samples to the class, or remove it",
        "official": "Use protocol.split: person, which makes its own folds",
    }[protocol.split]
    smaller = ", or set protocol.validation_fraction: 0" if len(fold.validation) else ""
    raise DataError(
        f"Class {name} is absent from the training part of fold {fold.fold} in repeat {fold.repeat} "
        f"(protocol.split: {protocol.split}), so it could not be learned. {remedy}{smaller}."
    )


def _keeps_persons_apart(samples: Samples, fold: Fold) -> bool:
    sides = [np.unique(samples.person[indices]) for indices in (fold.train, fold.validation, fold.test)]
    return len(np.unique(np.concatenate(sides))) == sum(len(side) for side in sides)


def _hash(folds: tuple[Fold, ...]) -> str:
    digest = hashlib.sha256()
    for fold in folds:
        digest.update(repr((fold.repeat, fold.fold)).encode())
        for indices in (fold.train, fold.validation, fold.test):
            digest.update(f"{len(indices)}:".encode())
            digest.update(indices.astype("<i8").tobytes())
    return digest.hexdigest()[:16]
