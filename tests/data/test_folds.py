"""Folds: complete, disjoint, person independent, balanced, reproducible, and different from repeat to repeat."""

import itertools
import json
import time
from dataclasses import asdict, replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_sweep.data import Fold, Samples, Split, load_samples, make_split
from fer_sweep.data.folds import split_of, without_test
from fer_sweep.errors import DataError
from fer_sweep.spec.data import SyntheticFeatures
from fer_sweep.spec.trial import ProtocolConfig

Rule = Literal["person", "random", "stratified"]
RULES = st.sampled_from(["person", "random", "stratified"])


def samples_of(labels: Any, persons: Any) -> Samples:
    y, person = np.asarray(labels, dtype=np.int64), np.asarray(persons, dtype=np.int64)
    return Samples(
        x=np.zeros((len(y), 1), dtype=np.float32),
        y=y,
        person=person,
        ids=tuple(f"s{i}" for i in range(len(y))),
        class_names=tuple(f"class-{c}" for c in range(int(y.max()) + 1)),
        person_names=tuple(f"p{p}" for p in range(int(person.max()) + 1)),
    )


@st.composite
def any_samples(draw: st.DrawFn) -> Samples:
    """3 classes, 20 to 60 persons of 3 to 12 samples, every class common."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sizes = rng.integers(3, 12, size=draw(st.integers(20, 60)), endpoint=True)
    return samples_of(rng.integers(0, 3, sizes.sum()), np.repeat(np.arange(len(sizes)), sizes))


def synthetic(samples: int = 420, persons: int = 42) -> Samples:
    return load_samples(SyntheticFeatures(source="synthetic_features", samples=samples, persons=persons))


def fold_0_overlaps(split: Split) -> list[float]:
    """For every two repeats: the share of fold 0's test side that both have, sides swapped if that is more."""
    sides = [set(fold.test.tolist()) for fold in split.folds if fold.fold == 0]
    shares = [len(a & b) / len(a) for a, b in itertools.combinations(sides, 2)]
    return [max(share, 1 - share) for share in shares]


def same(a: Fold, b: Fold) -> bool:
    return all(np.array_equal(getattr(a, side), getattr(b, side)) for side in ("train", "validation", "test"))


@settings(max_examples=60, deadline=None)
@given(
    samples=any_samples(),
    folds=st.integers(2, 5),
    split=RULES,
    fraction=st.sampled_from([0.0, 0.1, 0.3, 0.5]),
    seed=st.integers(0, 2**63 - 1),
)
def test_folds_are_a_partition_of_the_promised_kind(
    samples: Samples, folds: int, split: Rule, fraction: float, seed: int
) -> None:
    protocol = ProtocolConfig(folds=folds, repeats=2, split=split, validation_fraction=fraction, seed=seed)
    made = make_split(samples, protocol)
    n = len(samples)
    assert [(f.repeat, f.fold) for f in made.folds] == list(itertools.product(range(2), range(folds)))
    for fold in made.folds:
        sides = (fold.train, fold.validation, fold.test)
        np.testing.assert_array_equal(np.sort(np.concatenate(sides)), np.arange(n))
        assert all(np.all(np.diff(side) > 0) for side in sides)
        assert len(fold.test) == pytest.approx(n / folds, abs=1 if split != "person" else 12)
        size = fraction * (n - len(fold.test))
        assert len(fold.validation) == pytest.approx(size, abs=1 if split != "person" else 12)
        assert (len(fold.validation) > 0) == (fraction > 0)
        assert set(samples.y[fold.train].tolist()) == {0, 1, 2}
    for repeat in range(2):
        tests = [f.test for f in made.folds if f.repeat == repeat]
        np.testing.assert_array_equal(np.sort(np.concatenate(tests)), np.arange(n))
    apart = all(
        not set(samples.person[a].tolist()) & set(samples.person[b].tolist())
        for f in made.folds
        for a, b in itertools.combinations((f.train, f.validation, f.test), 2)
    )
    assert made.person_independent == apart
    assert apart or split != "person"


@settings(max_examples=25, deadline=None)
@given(samples=any_samples(), split=RULES, seed=st.integers(0, 1000), fraction=st.sampled_from([0.0, 0.2]))
def test_repeats_depend_on_seed_and_number_alone(samples: Samples, split: Rule, seed: int, fraction: float) -> None:
    protocol = ProtocolConfig(repeats=5, split=split, seed=seed, validation_fraction=fraction)
    five, again = make_split(samples, protocol), make_split(samples, protocol.model_copy(update={"seed": 7}), seed=seed)
    three, other = make_split(samples, protocol, repeats=3), make_split(samples, protocol, seed=seed + 1)
    assert five.hash == again.hash
    assert all(same(a, b) for a, b in zip(five.folds[:6], three.folds, strict=True))
    assert len({five.hash, three.hash, other.hash}) == 3
    assert not all(same(five.folds[0], fold) for fold in five.folds[2::2])
    plain = make_split(samples, protocol.model_copy(update={"validation_fraction": 0.0}))
    assert all(np.array_equal(a.test, b.test) for a, b in zip(five.folds, plain.folds, strict=True))


@settings(max_examples=25, deadline=None)
@given(samples=any_samples(), folds=st.integers(2, 5), fraction=st.sampled_from([0.1, 0.4]))
def test_stratified_parts_have_each_class_within_two_of_its_share(
    samples: Samples, folds: int, fraction: float
) -> None:
    protocol = ProtocolConfig(folds=folds, split="stratified", validation_fraction=fraction)
    total = np.bincount(samples.y)
    for counts in make_split(samples, protocol).class_counts(samples):
        assert np.all(np.abs(np.array(counts.test) - total / folds) < 1)
        side = np.array(counts.train) + counts.validation
        assert np.all(np.abs(np.array(counts.validation) - fraction * side) < 2)


def test_person_folds_are_nearly_as_balanced_as_free_ones() -> None:
    samples = synthetic()
    for counts in make_split(samples, ProtocolConfig(repeats=10)).class_counts(samples):
        assert sum(counts.test) == 210
        assert np.abs(np.array(counts.test) - 30).max() <= 2


def test_person_folds_differ_between_repeats() -> None:
    assert np.mean(fold_0_overlaps(make_split(synthetic(), ProtocolConfig(repeats=20)))) < 0.6


def test_a_dominant_person_stands_alone() -> None:
    samples = samples_of(np.arange(120) % 3, [0] * 60 + list(range(1, 61)))
    for fold in make_split(samples, ProtocolConfig(repeats=5)).folds:
        assert len(fold.test) == 60
        assert len(set(samples.person[fold.test].tolist())) in (1, 60)


def test_validation_takes_the_smallest_person_when_all_are_too_large() -> None:
    samples = samples_of(np.arange(80) % 2, np.repeat(np.arange(8), 10))
    for fold in make_split(samples, ProtocolConfig(validation_fraction=0.01)).folds:
        assert len(fold.validation) == 10


def test_class_of_two_persons_stands_on_both_sides() -> None:
    labels = np.zeros(40, dtype=np.int64)
    labels[[3, 30]] = 1
    samples = samples_of(labels, np.arange(40) // 4)
    split = make_split(samples, ProtocolConfig(repeats=20))
    assert all(counts.test[1] == 1 for counts in split.class_counts(samples))


def test_validation_leaves_training_a_class_of_two_samples() -> None:
    samples = samples_of([0] * 10 + [1] * 4, range(14))
    for split in ("person", "random", "stratified"):
        made = make_split(samples, ProtocolConfig(split=split, validation_fraction=0.5, repeats=5))
        assert all(counts.train[1] >= 1 for counts in made.class_counts(samples))


def test_class_counts_turn_into_json() -> None:
    samples = synthetic(samples=70, persons=10)
    counts = make_split(samples, ProtocolConfig(validation_fraction=0.2)).class_counts(samples)
    first = json.loads(json.dumps(asdict(counts[0])))
    assert first["repeat"] == first["fold"] == 0
    assert sum(first["train"]) + sum(first["validation"]) + sum(first["test"]) == 70


def test_random_split_of_single_person_rows_is_person_independent() -> None:
    samples = synthetic()
    assert not make_split(samples, ProtocolConfig(split="random")).person_independent
    alone = replace(samples, person=np.arange(len(samples)))
    assert make_split(alone, ProtocolConfig(split="random")).person_independent


def test_hash_is_that_of_the_indices() -> None:
    split = make_split(synthetic(), ProtocolConfig())
    assert len(split.hash) == 16
    assert int(split.hash, 16) >= 0


@pytest.mark.parametrize(
    ("labels", "persons", "protocol", "message"),
    [
        ([0, 1] * 2, [0, 1, 2, 3], {"folds": 5, "split": "random"}, r"protocol\.folds: 5 need 5 samples or more, .* 4"),
        ([0, 1] * 5, [0, 1] * 5, {"folds": 3}, r"folds: 3 with protocol\.split: person need 3 persons or more, .* 2"),
        ([0, 1] * 5, [0, 1] * 5, {"validation_fraction": 0.2}, r"and a validation part with .* need 3 persons"),
        (
            [0, 1] * 6,
            [0, 1, 2] * 4,
            {"validation_fraction": 0.2},
            r"A training side has a single person \(p\d\), so no validation part",
        ),
        (
            [0] * 10 + [1] * 10,
            [*range(10), *[10] * 10],
            {},
            r"Class class-1 is absent from the training part of fold \d in repeat 0 .*samples of 1 person\(s\)",
        ),
        ([0] * 11 + [1], range(12), {"split": "stratified"}, r"Class class-1 is absent .*Add samples to the class"),
        ([0] * 11 + [1], range(12), {"split": "random"}, r"Class class-1 is absent .*protocol\.split: stratified"),
    ],
)
def test_impossible_splits_are_refused(labels: Any, persons: Any, protocol: dict[str, Any], message: str) -> None:
    samples = samples_of(labels, persons)
    with pytest.raises(DataError, match=message):
        make_split(samples, ProtocolConfig(**protocol))


def test_many_samples_are_split_in_seconds() -> None:
    samples = synthetic(samples=10_000, persons=1000)
    start = time.perf_counter()
    split = make_split(samples, ProtocolConfig(repeats=10))
    assert time.perf_counter() - start < 5
    assert all(abs(len(fold.test) - 5000) <= 10 for fold in split.folds)


def test_sfew_folds_are_film_independent_halves_that_differ(sfew: Samples) -> None:
    split = make_split(sfew, ProtocolConfig(repeats=10))
    assert split.person_independent
    half = np.bincount(sfew.y) / 2
    for counts in split.class_counts(sfew):
        assert abs(sum(counts.test) - len(sfew) / 2) <= 0.03 * len(sfew) / 2
        assert np.abs(np.array(counts.test) - half).max() <= 10
    assert np.mean(fold_0_overlaps(split)) < 0.72
    assert make_split(sfew, ProtocolConfig(split="random")).person_independent is False


@pytest.mark.parametrize("rule", ["person", "stratified", "random"])
def test_who_tests_elsewhere_trains_on_all_but_a_validation_share(rule: Rule) -> None:
    samples = synthetic()
    fold = without_test(samples, ProtocolConfig(split=rule, validation_fraction=0.1))

    assert sorted([*fold.train, *fold.validation]) == list(range(420))
    assert len(fold.test) == 0
    assert 21 <= len(fold.validation) <= 63
    assert split_of(samples, (fold,)).person_independent == (rule == "person")
    assert same(fold, without_test(samples, ProtocolConfig(split=rule, validation_fraction=0.1)))
    assert not same(fold, without_test(samples, ProtocolConfig(split=rule, validation_fraction=0.1, seed=1)))
    assert len(without_test(samples, ProtocolConfig(split=rule)).train) == 420


def test_who_tests_elsewhere_leaves_an_official_test_part_alone() -> None:
    samples = synthetic()
    divided = replace(samples, part=np.arange(420) % 3)
    fold = without_test(divided, ProtocolConfig(split="official"))

    assert all(np.array_equal(side, np.arange(i, 420, 3)) for i, side in
               enumerate((fold.train, fold.validation, fold.test)))  # fmt: skip


def test_one_person_alone_leaves_nobody_to_hold_out() -> None:
    alone = samples_of([0, 1] * 5, [0] * 10)

    with pytest.raises(DataError, match=r"has a single person \(p0\), so no validation part can be taken from it"):
        without_test(alone, ProtocolConfig(validation_fraction=0.1))
