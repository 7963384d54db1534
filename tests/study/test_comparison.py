"""Trials compared on equal splits, with numbers that can be had by hand; refused on different ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fer_sweep.errors import StudyError
from fer_sweep.study.comparison import compare
from fer_sweep.study.home import Home
from fer_sweep.study.measured import Measured, Reference, load_measured, parse_reference
from fer_sweep.training.metrics import METRICS
from tests.study.studies import DIVERGES, run, sweep

RATES = {"train.learning_rate": {"distribution": "categorical", "values": [0.0001, 0.001, 0.05]}}
GRID = {
    "method": "grid",
    "run_cap": None,
    "train": {"epochs": 40, "learning_rate": 0.001},
    "protocol": {"folds": 2, "repeats": 2},
    "metric": {"name": "uar"},
    "confirm": {"top_k": 1, "repeats": 2},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    root = tmp_path_factory.mktemp("compared")
    run(sweep(RATES, **GRID), root)
    return Home(root)


def trial(home: Home, name: str) -> Measured:
    return load_measured(parse_reference(name), home)


@pytest.mark.parametrize("name", ["tiny", "tiny/3", "tiny/confirm/3", "tiny.2/0"])
def test_a_reference_is_written_as_it_was_read(name: str) -> None:
    assert str(parse_reference(name)) == name


def test_references_have_a_study_a_stage_and_a_number() -> None:
    assert parse_reference("tiny") == Reference("tiny", "search", None)
    assert parse_reference("tiny/3") == Reference("tiny", "search", 3)
    assert parse_reference("tiny/confirm/3") == Reference("tiny", "confirm", 3)


@pytest.mark.parametrize("name", ["", "/3", "tiny/confirm", "tiny/confirmed/3", "tiny/3/4", "tiny/-1"])
def test_what_names_no_trial_is_refused(name: str) -> None:
    with pytest.raises(StudyError, match=r"names no trial\. Use STUDY for its best confirmed"):
        parse_reference(name)


def test_differences_agree_with_a_calculation_by_hand(home: Home) -> None:
    first, second, third = (trial(home, f"tiny/{number}") for number in (0, 1, 2))

    found = compare(first, [second, third])

    assert [(d.metric, d.trial) for d in found] == [
        (metric, name) for metric in ("uar", "accuracy", "macro_f1") for name in ("tiny/1", "tiny/2")
    ]
    for metric in METRICS:
        values = [m.scores.by_network[metric].ravel() for m in (first, second, third)]
        ps = []
        for other, found_one in zip(values[1:], [d for d in found if d.metric == metric], strict=True):
            d = other - values[0]
            error = np.sqrt(d.var(ddof=1) * (1 / 4 + 1.0))  # two folds: as many samples test as train
            half = stats.t.ppf(0.975, df=3) * error
            c = found_one.comparison
            assert (c.difference, c.low, c.high) == pytest.approx((d.mean(), d.mean() - half, d.mean() + half))
            assert c.p == pytest.approx(2 * stats.t.sf(abs(d.mean() / error), df=3))
            assert c.n == 4
            ps.append(c.p)
        corrected = [d.comparison.p_holm for d in found if d.metric == metric]
        assert min(corrected) == pytest.approx(min(1.0, 2 * min(ps)))


def test_the_better_one_is_named_whichever_comes_first(home: Home) -> None:
    base, best = trial(home, "tiny/confirm/0"), trial(home, "tiny/confirm/2")

    assert compare(base, [best])[0].better == "tiny/confirm/2"
    assert compare(best, [base])[0].better == "tiny/confirm/2"
    assert compare(base, [base])[0].better is None


def test_where_less_is_better_the_smaller_one_is_named(home: Home) -> None:
    base, best = trial(home, "tiny/confirm/0"), trial(home, "tiny/confirm/2")
    spec = base.facts.spec.model_copy(update={"metric": base.facts.spec.metric.model_copy(update={"goal": "minimize"})})

    found = compare(replace(base, facts=replace(base.facts, spec=spec)), [best])

    assert [d.better for d in found[:2]] == ["tiny/confirm/0", "tiny/confirm/2"]  # accuracy is no goal here


def test_different_splits_are_refused_with_both_and_the_remedy(home: Home) -> None:
    searched, confirmed = trial(home, "tiny/0"), trial(home, "tiny/confirm/0")

    with pytest.raises(StudyError) as refused:
        compare(searched, [confirmed])

    message = str(refused.value)
    assert f"tiny/0: {searched.split.hash} (the search of study tiny: 2 folds x 2 repeats of 60 samples)" in message
    assert f"tiny/confirm/0: {confirmed.split.hash} (the confirmation of study tiny: " in message
    assert "fer-sweep promote runs both on the same fresh splits" in message


def test_other_labels_on_the_same_splits_are_refused(home: Home) -> None:
    base, best = trial(home, "tiny/0"), trial(home, "tiny/2")
    samples = replace(best.facts.samples, y=np.roll(best.facts.samples.y, 1))

    with pytest.raises(StudyError, match="on the same splits but on different labels"):
        compare(base, [replace(best, facts=replace(best.facts, samples=samples))])


def test_a_single_fold_is_refused(home: Home) -> None:
    base = trial(home, "tiny/0")
    one = replace(base, split=replace(base.split, folds=base.split.folds[:1]))

    with pytest.raises(StudyError, match="on a single fold, which says nothing about chance"):
        compare(one, [one])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tinny/0", r"no study is called 'tinny' in .*\. Known studies: tiny\."),
        ("tiny/7", r"study 'tiny' has no trial 7\. It has trials 0 to 2; see them with fer-sweep status tiny\."),
        ("tiny/confirm/1", r"has not been confirmed .*Raise confirm.top_k and run the sweep file again"),
    ],
)
def test_unknown_trials_are_refused_with_what_there_is(home: Home, name: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        trial(home, name)


def test_a_trial_that_took_over_a_result_has_it(tmp_path: Path) -> None:
    same = {"model.hidden_units": {"distribution": "categorical", "values": [4]}}
    run(sweep(same, run_cap=2, resources={"trials_at_once": 1}), tmp_path)
    home = Home(tmp_path)

    reused, own = trial(home, "tiny/1"), trial(home, "tiny/0")

    assert not home.study("tiny").result("search", 1).exists()
    assert reused.scores.accuracy == own.scores.accuracy


def test_a_lost_result_a_failed_trial_and_no_confirmation_are_refused(tmp_path: Path) -> None:
    train = {"epochs": 10, "learning_rate": 0.01, "optimizer": "sgd"}
    run(sweep({"train.weight_decay": DIVERGES}, method="grid", run_cap=None, train=train), tmp_path)
    home = Home(tmp_path)

    with pytest.raises(StudyError, match=r"trial 1 of study 'tiny' is failed, .*Name a complete trial\."):
        trial(home, "tiny/1")
    with pytest.raises(StudyError, match=r"study 'tiny' has no confirmation\. Add a confirm section"):
        trial(home, "tiny/confirm/0")
    home.study("tiny").result("search", 0).unlink()
    with pytest.raises(StudyError, match=r"the result of trial 0 of study 'tiny' is not in .*gone or damaged"):
        trial(home, "tiny/0")
