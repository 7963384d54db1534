"""`split: official`: the fold that the data set's authors made."""

from dataclasses import replace

import numpy as np
import pytest

from fer_sweep.data import Samples, load_samples, make_split
from fer_sweep.errors import DataError
from fer_sweep.spec.data import SyntheticFeatures
from fer_sweep.spec.trial import ProtocolConfig

OFFICIAL = ProtocolConfig(split="official", repeats=3)


def samples(parts: tuple[int, ...]) -> Samples:
    """84 samples whose parts repeat person by person."""
    made = load_samples(SyntheticFeatures(source="synthetic_features", samples=84, persons=12))
    return replace(made, part=np.array(parts, dtype=np.int64)[made.person % len(parts)])


def test_every_repeat_is_the_one_fold() -> None:
    given = samples((0, 0, 2))
    split = make_split(given, OFFICIAL)

    assert len(split.folds) == 3
    assert split.person_independent
    for fold in split.folds:
        np.testing.assert_array_equal(fold.train, np.flatnonzero(given.part == 0))
        np.testing.assert_array_equal(fold.test, np.flatnonzero(given.part == 2))
        assert not len(fold.validation)


def test_the_official_validation_part_is_used() -> None:
    given = samples((0, 1, 2))

    np.testing.assert_array_equal(make_split(given, OFFICIAL).folds[0].validation, np.flatnonzero(given.part == 1))


def test_without_one_a_validation_part_is_carved_out_of_training() -> None:
    (fold,) = make_split(samples((0, 0, 2)), ProtocolConfig(split="official", validation_fraction=0.25)).folds

    assert len(fold.validation) == 14
    assert len(fold.train) == 42


def test_data_without_parts_or_sides_are_refused() -> None:
    with pytest.raises(DataError, match=r"protocol.split: official needs data that come divided"):
        make_split(replace(samples((0, 2)), part=None), OFFICIAL)
    with pytest.raises(DataError, match=r"no sample belongs to the test part"):
        make_split(samples((0,)), OFFICIAL)
