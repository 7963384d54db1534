"""The answer in words, the labels, and what mattered."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial

from fer_sweep.data import load_samples, make_split
from fer_sweep.spec import load_sweep
from fer_sweep.study.events import Confirmed, Trial
from fer_sweep.study.importance import importance
from fer_sweep.study.rows import State, TrialRow
from fer_sweep.study.statistics import Comparison
from fer_sweep.study.summary import Summary, answer, describe, labels, summarize
from fer_sweep.training.metrics import Estimate
from tests.study.studies import sweep


def row(number: int, mean: float | None, state: State = "complete", spread: float | None = None) -> TrialRow:
    return TrialRow(number, state, {"train.learning_rate": 0.01 * (number + 1)}, mean, spread, 2, 1.0)


def summary(*rows: TrialRow, goal: str = "maximize", confirmed: tuple[Confirmed, ...] = ()) -> Summary:
    return Summary("tiny", "accuracy", goal, rows, confirmed, (), "run_cap: 3 trials")


def one(number: int, mean: float, comparison: tuple[float, float, float, float] | None) -> Confirmed:
    compared = None
    if comparison is not None:
        difference, low, high, p = comparison
        compared = Comparison(difference, low, high, p / 2, p, 0.1, 20)
    assignments = {} if number == 0 else {"train.learning_rate": 0.02}
    return Confirmed(Trial("confirm", number, sweep().base, assignments, ""), Estimate(mean, 0.01, 20), compared)


def test_without_a_finished_trial_there_is_no_answer() -> None:
    assert answer(summary(row(0, None, "failed"), row(1, 0.5, "pruned"))) == "No trial finished, so there is no answer."


def test_a_search_alone_is_called_optimistic() -> None:
    assert answer(summary(row(0, 0.5), row(1, 0.6, spread=0.015))) == (
        "Best of the search: train.learning_rate=0.02 with accuracy 60.00 ± 1.50 % (n = 2 networks). The best of many "
        "trials looks better than it is; add a confirm section for an honest number."
    )


@pytest.mark.parametrize(
    ("changes", "part", "said"),
    [
        (
            {},
            "test",
            "with accuracy 60.00 % (n = 2 networks). The best of many trials looks better than it is; add a conf",
        ),
        ({"confirm": {"top_k": 1}}, "test", "it is not confirmed on fresh splits yet: the same command goes on."),
        ({"protocol": {"validation_fraction": 0.2}}, "validation", "with validation accuracy 60.00 %"),
    ],
)
def test_an_unconfirmed_best_is_told_with_its_part_and_what_to_do(
    changes: dict[str, Any], part: str, said: str
) -> None:
    spec = sweep(**changes)
    samples = load_samples(spec.data)
    found = summarize("tiny", spec, samples, make_split(samples, spec.protocol), [row(0, 0.5), row(1, 0.6)])

    assert found.part == part
    assert said in answer(found)


def test_an_official_split_leaves_nothing_to_confirm_on() -> None:
    found = replace(summary(row(0, 0.5)), confirmation="impossible")
    assert answer(found).endswith(
        "looks better than it is, and an official split leaves no fresh ones to confirm it on."
    )


def test_of_several_the_best_is_said_to_be_the_best_and_what_is_corrected() -> None:
    comparison = (0.05, 0.02, 0.08, 0.01)
    one_of_two = (one(1, 0.55, comparison), one(2, 0.54, comparison), one(0, 0.5, None))
    assert "(the best of 2 there) reaches accuracy 55.00 %" in answer(summary(row(0, 0.5), confirmed=one_of_two))
    assert (
        "(both corrected for overlapping training sets, p also for 2 comparisons, the interval is of this one alone; "
        in (answer(summary(row(0, 0.5), confirmed=one_of_two)))
    )


def test_the_best_of_a_minimized_search_is_the_lowest() -> None:
    found = summary(row(0, 0.5), row(1, 0.6), goal="minimize")
    assert found.best == found.base == row(0, 0.5)


def test_a_base_that_did_not_finish_is_none() -> None:
    assert summary(row(0, None, "failed"), row(1, 0.6)).base is None


@pytest.mark.parametrize(
    ("goal", "comparison", "verdict"),
    [
        ("maximize", (0.05, 0.02, 0.08, 0.01), "It beats the base."),
        ("maximize", (0.05, -0.01, 0.11, 0.2), "The difference lies within the noise"),
        ("maximize", (0.05, 0.001, 0.11, 0.06), "The difference lies within the noise"),  # Holm takes it back
        ("maximize", (-0.05, -0.08, -0.02, 0.01), "It is worse than the base: the search was misled"),
        ("minimize", (-0.05, -0.08, -0.02, 0.01), "It beats the base."),
        ("minimize", (0.05, 0.02, 0.08, 0.01), "It is worse than the base"),
    ],
)
def test_the_verdict_follows_the_interval_the_corrected_p_and_the_goal(
    goal: str, comparison: tuple[float, float, float, float], verdict: str
) -> None:
    found = answer(summary(row(0, 0.5), goal=goal, confirmed=(one(1, 0.55, comparison), one(0, 0.5, None))))
    assert verdict in found
    assert found.startswith(
        "On fresh splits, train.learning_rate=0.02 reaches accuracy 55.00 % against the base's 50.00 %"
    )


def test_a_lonely_base_or_a_missing_base_gives_no_comparison() -> None:
    assert answer(summary(row(0, 0.5), confirmed=(one(0, 0.5, None),))) == (
        "Nothing but the base could be confirmed on fresh splits."
    )
    assert answer(summary(row(0, 0.5), confirmed=(one(1, 0.5, None),))) == (
        "The base failed on fresh splits, so there is nothing to compare the others with."
    )


def test_assignments_are_described_in_a_line() -> None:
    assert describe({}) == "the base"
    assert describe({"a.b": 0.123456, "c.d": "adam", "e.f": True}) == "a.b=0.1235, c.d=adam, e.f=True"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ["selected on the reported folds"]),
        ({"protocol": {"validation_fraction": 0.2}}, ["scores of the search are of the validation part"]),
        ({"protocol": {"split": "random"}}, ["not person independent", "selected on the reported folds"]),
        ({"train": {"normalize": "all"}}, ["selected on the reported folds", "normalized with all samples"]),
    ],
)
def test_labels_say_what_a_reader_must_know(changes: dict[str, Any], said: list[str]) -> None:
    spec = sweep(**changes)
    samples = load_samples(spec.data)
    found = summarize("tiny", spec, samples, make_split(samples, spec.protocol), [row(0, 0.5), row(1, None, "skipped")])
    assert [label.startswith(start) for label, start in zip(found.labels, said, strict=True)] == [True] * len(said)
    assert [r.number for r in found.rows] == [0]
    assert (found.study, found.metric, found.goal, found.reason, found.confirmed) == (
        "tiny",
        "accuracy",
        "maximize",
        "",
        (),
    )


@pytest.mark.parametrize(
    ("least", "said"),
    [
        (3, None),
        (4, "removal.min_per_class: 4 keeps all training samples of "),
        (40, "removal can take nothing away: removal.min_per_class: 40 keeps all training samples of every class"),
    ],
)
def test_a_guard_that_keeps_whole_classes_is_told(least: int, said: str | None) -> None:
    spec = sweep(removal={"rule": "bdr", "min_per_class": least, "start": 1, "interval": 1})
    samples = load_samples(spec.data)
    split = make_split(samples, spec.protocol)
    counts = np.array([np.bincount(samples.y[fold.train]) for fold in split.folds]).max(axis=0)
    whole = [f"{samples.class_names[c]} ({n} at most)" for c, n in enumerate(counts) if n <= least]

    told = [label for label in labels(spec, samples, split) if label.startswith("removal")]

    assert 0 < sum(counts <= 4) < len(counts)
    assert told == ([] if said is None else [said + ", ".join(whole) if said.endswith(" of ") else said])


def trials(values: list[float], *, base_outside: bool) -> list[FrozenTrial]:
    made = optuna.create_study(direction="maximize")
    for number, value in enumerate(values):
        params: dict[str, Any] = {"rate": value, "kind": "ab"[number % 2]}
        space = {"rate": FloatDistribution(0.0, 1.0), "kind": CategoricalDistribution(("a", "b"))}
        outside = base_outside and number == 0
        made.add_trial(
            optuna.create_trial(value=value, params={} if outside else params, distributions={} if outside else space)
        )
    return made.trials


@pytest.mark.parametrize("base_outside", [False, True])
def test_importance_finds_what_mattered(base_outside: bool) -> None:
    shares = importance(trials([i / 40 for i in range(40)], base_outside=base_outside), "maximize")
    assert list(shares) == ["rate", "kind"]
    assert sum(shares.values()) == pytest.approx(1.0)


def test_few_or_equal_trials_have_no_importance() -> None:
    assert importance(trials([0.1, 0.2, 0.3], base_outside=False), "maximize") == {}
    assert importance(trials([0.5] * 20, base_outside=False), "maximize") == {}


def test_principal_components_fitted_on_everything_are_labelled_as_a_leak(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "name: x\ndata: {source: synthetic_faces, samples: 28, persons: 4, size: 32}\n"
        "features: {fit_on: all, size: 32}\nprotocol: {split: person}\n"
    )
    spec = load_sweep(file)
    samples = load_samples(spec.data)
    split = make_split(samples, spec.protocol)

    assert "principal components fitted on all samples: the test part leaks into training" in labels(
        spec, samples, split
    )
    assert len(labels(load_sweep(file, ["features.components=all"]), samples, split)) == 1
