"""The corrected comparison, by hand and by its properties."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_sweep.study.statistics import Comparison, corrected_comparison, holm, interval_over_repeats

PS = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)


def comparisons(ps: list[float]) -> list[Comparison]:
    return [Comparison(0.1, 0.0, 0.2, p, p, 0.1, 10) for p in ps]


def test_the_corrected_t_agrees_with_a_hand_calculation() -> None:
    # mean 2, variance 2/3, error sqrt(2/3 * (1/4 + 1)) = 0.912871, t = 2.190890, 3 degrees of freedom
    comparison = corrected_comparison(np.array([1.0, 2.0, 2.0, 3.0]), test_to_train=1.0)
    assert comparison.difference == 2.0
    assert comparison.spread == pytest.approx(math.sqrt(2 / 3))
    assert comparison.n == 4
    theta = math.atan(2.190890 / math.sqrt(3))  # closed form of the t distribution with 3 degrees of freedom
    assert comparison.p == pytest.approx(1 - 2 / math.pi * (theta + math.sin(theta) * math.cos(theta)), abs=1e-6)
    assert comparison.high - comparison.difference == pytest.approx(3.182446 * 0.912871, abs=1e-5)
    assert comparison.difference - comparison.low == pytest.approx(3.182446 * 0.912871, abs=1e-5)


def test_larger_test_parts_make_the_comparison_more_careful() -> None:
    differences = np.array([0.1, 0.2, 0.15, 0.05])
    narrow = corrected_comparison(differences, test_to_train=0.1)
    wide = corrected_comparison(differences, test_to_train=1.0)
    assert narrow.p < wide.p
    assert narrow.high < wide.high


def test_equal_predictions_are_no_evidence() -> None:
    assert corrected_comparison(np.zeros(4), test_to_train=1.0) == Comparison(0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 4)


def test_a_constant_shift_has_an_interval_of_no_width() -> None:
    assert corrected_comparison(np.full(4, 0.25), test_to_train=1.0) == Comparison(0.25, 0.25, 0.25, 0.0, 0.0, 0.0, 4)


def test_holm_agrees_with_a_hand_calculation() -> None:
    corrected = holm(comparisons([0.01, 0.04, 0.03]))
    assert [c.p_holm for c in corrected] == pytest.approx([0.03, 0.06, 0.06])


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]) == []


@given(PS)
def test_holm_never_helps_and_never_exceeds_one(ps: list[float]) -> None:
    corrected = holm(comparisons(ps))
    assert all(c.p <= c.p_holm <= 1.0 for c in corrected)
    assert [replace(c, p_holm=c.p) for c in corrected] == comparisons(ps)


@given(PS)
def test_holm_keeps_the_order_of_p(ps: list[float]) -> None:
    ordered = sorted(holm(comparisons(ps)), key=lambda c: c.p)
    assert all(a.p_holm <= b.p_holm for a, b in pairwise(ordered))


@given(PS, st.randoms(use_true_random=False))
def test_holm_does_not_depend_on_the_order_of_the_configurations(ps: list[float], random: object) -> None:
    order = list(range(len(ps)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = holm(comparisons([ps[i] for i in order]))
    straight = holm(comparisons(ps))
    assert [c.p_holm for c in shuffled] == [straight[i].p_holm for i in order]


def test_the_interval_over_repeats_agrees_with_a_table_of_t() -> None:
    interval = interval_over_repeats(0.25, 0.03, repeats=9)
    assert interval is not None
    assert interval.high - 0.25 == pytest.approx(2.306004 * 0.03 / 3, abs=1e-8)
    assert 0.25 - interval.low == pytest.approx(interval.high - 0.25)


def test_there_is_no_interval_over_fewer_than_three_repeats_or_of_no_value() -> None:
    assert interval_over_repeats(0.25, 0.03, repeats=2) is None
    assert interval_over_repeats(0.25, None, repeats=1) is None
    assert interval_over_repeats(None, None, repeats=5) is None
    assert interval_over_repeats(0.25, 0.03, repeats=3) is not None
