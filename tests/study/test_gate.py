"""The gate on planted data: worse is refused, better and equal pass, floors hold, and nothing is trained twice."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_sweep.data import Samples, load_samples, make_split
from fer_sweep.execution import inline as inline_module
from fer_sweep.spec import TrialConfig, apply
from fer_sweep.spec.search import Metric
from fer_sweep.study.gate import GateEvent, GateMeasured, GateReported, GateStarted, examine, gate_split
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.statistics import corrected_comparison
from fer_sweep.study.verdict import GateOptions, Verdict, judge
from fer_sweep.training.metrics import scores
from fer_sweep.training.trials import run_trials
from tests.study.studies import inline

GOOD = TrialConfig.model_validate(
    {
        "data": {"source": "synthetic_features", "samples": 140, "persons": 20, "features": 8, "separation": 4.0},
        "protocol": {"folds": 2, "repeats": 1},
        "model": {"kind": "mlp", "hidden_units": 8},
        "train": {"epochs": 60, "learning_rate": 0.03},
    }
)
BAD = apply(GOOD, {"train.epochs": 1, "train.learning_rate": 0.0001})
SAMPLES = load_samples(GOOD.data)
FEW = GateOptions(repeats=3)


def examined(
    challenger: TrialConfig, champion: TrialConfig | None, folder: Path, options: GateOptions = FEW, **changes: Any
) -> tuple[Verdict, list[GateEvent]]:
    seen: list[GateEvent] = []

    def follow() -> Generator[GateEvent, None, Verdict]:
        settings: dict[str, Any] = {
            "metric": Metric(),
            "files": StudyFiles(folder),
            "executor": inline(SAMPLES),
            **changes,
        }
        return (yield from examine(challenger, champion, SAMPLES, options=options, **settings))

    running = follow()
    while True:
        try:
            seen.append(next(running))
        except StopIteration as end:
            return end.value, seen


def passed(verdict: Verdict) -> dict[str, bool]:
    return {check.name: check.passed for check in verdict.checks}


def test_a_worse_challenger_is_refused_and_told_why(tmp_path: Path) -> None:
    verdict, _ = examined(BAD, GOOD, tmp_path)

    assert not verdict.accepted
    assert passed(verdict)["harm"] is False
    (harm,) = [check for check in verdict.checks if check.name == "harm"]
    assert "points from the champion's, 95 % interval [" in harm.text
    assert "harm of more than 2 points is not excluded. The difference itself is larger than that" in harm.text
    assert harm.value is not None
    assert harm.value < -0.3


def test_a_better_challenger_is_accepted(tmp_path: Path) -> None:
    verdict, events = examined(GOOD, BAD, tmp_path)

    assert verdict.accepted
    assert verdict.failed == ()
    assert passed(verdict) == {"guessing": True, "harm": True, "recall": True}
    assert [type(e) for e in events if not isinstance(e, GateReported)] == [GateStarted, GateMeasured] * 2
    reports = [e.report for e in events if isinstance(e, GateReported) and e.role == "challenger"]
    assert reports[-1].epoch == 60


def test_equal_configurations_pass_with_a_difference_of_zero(tmp_path: Path) -> None:
    verdict, events = examined(GOOD, GOOD, tmp_path)

    assert verdict.accepted
    assert verdict.comparisons["accuracy"].difference == 0.0
    assert [e.reused for e in events if isinstance(e, GateMeasured)] == [False, True]


def test_nearly_equal_ones_pass_within_the_harm_that_is_accepted(tmp_path: Path) -> None:
    near = apply(GOOD, {"train.learning_rate": 0.028})
    careful, _ = examined(near, GOOD, tmp_path, GateOptions(repeats=3, max_harm=0.0))
    tolerant, _ = examined(near, GOOD, tmp_path, GateOptions(repeats=3, max_harm=0.08))

    assert passed(careful)["harm"] is (careful.comparisons["accuracy"].low >= 0.0)
    assert tolerant.accepted


def test_the_comparison_agrees_with_a_calculation_by_hand(tmp_path: Path) -> None:
    verdict, _ = examined(GOOD, BAD, tmp_path)
    split = gate_split(GOOD, SAMPLES, repeats=3)
    assert verdict.challenger is not None
    assert verdict.champion is not None
    for name, comparison in verdict.comparisons.items():
        difference = (verdict.challenger.by_network[name] - verdict.champion.by_network[name]).ravel()
        ratio = float(np.mean([len(fold.test) / len(fold.train) for fold in split.folds]))
        assert comparison == corrected_comparison(difference, test_to_train=ratio)
    by_hand = [np.bincount(SAMPLES.y[f.train]).argmax() == SAMPLES.y[f.test] for f in split.folds]
    assert verdict.guess.ravel() == pytest.approx([hit.mean() for hit in by_hand])


def test_the_splits_are_fresh_and_different_for_every_challenger() -> None:
    ours, others = gate_split(GOOD, SAMPLES, repeats=3), gate_split(BAD, SAMPLES, repeats=3)

    assert len({ours.hash, others.hash, make_split(SAMPLES, GOOD.protocol, repeats=3).hash}) == 3
    assert len(ours.folds) == 6
    assert gate_split(GOOD, SAMPLES, repeats=3).hash == ours.hash


def test_an_interrupted_gate_trains_only_what_is_missing(tmp_path: Path) -> None:
    whole, _ = examined(GOOD, BAD, tmp_path / "whole")
    running = examine(
        GOOD, BAD, SAMPLES, metric=Metric(), options=FEW, files=StudyFiles(tmp_path / "cut"), executor=inline(SAMPLES)
    )
    for event in running:
        if isinstance(event, GateStarted) and event.role == "champion":
            break
    running.close()

    resumed, events = examined(GOOD, BAD, tmp_path / "cut")

    assert [(e.role, e.reused) for e in events if isinstance(e, GateMeasured)] == [
        ("challenger", True), ("champion", False),
    ]  # fmt: skip
    assert resumed.comparisons == whole.comparisons
    again, events = examined(GOOD, BAD, tmp_path / "cut", GateOptions(repeats=3, min_accuracy=0.99))
    assert not any(isinstance(e, GateStarted) for e in events)
    assert passed(again)["accuracy"] is False


def test_the_first_champion_must_only_reach_the_floors(tmp_path: Path) -> None:
    good, _ = examined(GOOD, None, tmp_path)
    bad, _ = examined(BAD, None, tmp_path)

    assert passed(good) == {"guessing": True, "recall": True}
    assert good.comparisons == {}
    assert passed(bad)["guessing"] is False
    assert "always guessing the commonest class" in bad.failed[0].text
    assert "not shown to be better than guessing" in bad.failed[0].text


def test_floors_name_the_classes_below_them(tmp_path: Path) -> None:
    verdict, _ = examined(GOOD, None, tmp_path, GateOptions(repeats=3, min_recall=1.0, min_accuracy=0.1))

    recall, accuracy = (next(c for c in verdict.checks if c.name == name) for name in ("recall", "accuracy"))
    assert not recall.passed
    assert recall.text.startswith("recall is below the 100.00 % asked for of every class: ")
    assert any(name in recall.text for name in SAMPLES.class_names)
    assert accuracy.passed
    assert "is at least the 10.00 % asked for" in accuracy.text


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    explodes = apply(GOOD, {"train.optimizer": "sgd", "train.weight_decay": 1e30})
    failing, _ = examined(explodes, GOOD, tmp_path)
    against, _ = examined(GOOD, explodes, tmp_path)

    assert [check.name for check in failing.failed] == ["training"]
    assert failing.failed[0].text.startswith("The challenger could not be measured: ")
    assert [check.name for check in against.failed] == ["harm"]
    assert "The champion could not be measured on these splits" in against.failed[0].text


def test_a_crash_in_training_is_that_configurations_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashing(requests, *given, **named):  # type: ignore[no-untyped-def]
        if requests[0].number == 0:
            raise RuntimeError("out of memory")
        yield from run_trials(requests, *given, **named)

    monkeypatch.setattr(inline_module, "run_trials", crashing)
    verdict, _ = examined(GOOD, BAD, tmp_path)

    assert "RuntimeError: out of memory" in verdict.failed[0].text


def test_a_champion_that_needs_pictures_cannot_be_compared_on_features(tmp_path: Path) -> None:
    cnn = TrialConfig.model_validate(
        {"data": {"source": "synthetic_faces"}, "model": {"kind": "cnn"}, "train": {"batch_size": 8}}
    )
    verdict, _ = examined(GOOD, cnn, tmp_path)

    assert [check.name for check in verdict.failed] == ["harm"]
    assert "cannot be trained on the challenger's data: model.kind: cnn needs pictures" in verdict.failed[0].text


def verdict_of(differences: list[float], options: GateOptions, goal: str = "maximize") -> Verdict:
    """The verdict on a challenger whose accuracy differs from the champion's by these shares of 100 per fold."""
    split = gate_split(GOOD, SAMPLES, repeats=len(differences) // 2)

    def side(hits: list[float]) -> Any:
        return scores([np.diag([0, 0, 0, 0, 0, 0, round(h)]) + np.eye(7, k=1, dtype=int) * round((100 - h) / 6)
                       for h in hits], repeats=len(differences) // 2)  # fmt: skip

    base = [40.0] * len(differences)
    metric = Metric.model_validate({"name": "accuracy", "goal": goal})
    ours = side([b + 100 * d for b, d in zip(base, differences, strict=True)])
    return judge(ours, side(base), SAMPLES, split, metric=metric, options=options)


def test_a_refusal_says_how_many_repeats_would_exclude_the_harm_or_that_none_would() -> None:
    def harm(differences: list[float]) -> str:
        verdict = verdict_of(differences, GateOptions(repeats=len(differences) // 2))
        return next(check.text for check in verdict.checks if check.name == "harm")

    assert "If it is as it looks, --repeats " in harm([0.10, 0.04] * 2)
    assert "No number of repeats can exclude it: on these samples, with protocol.folds: 2" in harm([0.2, -0.2] * 2)
    assert "more repeats would not help" in harm([-0.1, -0.12] * 2)


def test_where_less_is_better_harm_is_the_other_end_of_the_interval() -> None:
    more = verdict_of([0.2, 0.21] * 2, GateOptions(repeats=2), goal="minimize")
    less = verdict_of([-0.2, -0.21] * 2, GateOptions(repeats=2), goal="minimize")

    assert passed(more)["harm"] is False
    assert passed(less)["harm"] is True


def test_what_weakens_the_verdict_is_noted() -> None:
    samples = Samples(
        x=SAMPLES.x, y=SAMPLES.y, person=np.zeros_like(SAMPLES.person), ids=SAMPLES.ids,
        class_names=SAMPLES.class_names, person_names=("one",), part=np.arange(140) % 2 * 2,
        warnings=("Half of it is drawn.",),
    )  # fmt: skip
    protocol = GOOD.protocol.model_copy(update={"split": "official"})
    config = GOOD.model_copy(update={"protocol": protocol})
    split = gate_split(config, samples, repeats=2)

    verdict = judge("no", None, samples, split, metric=Metric(), options=GateOptions(repeats=2))

    assert verdict.notes == (
        "not person independent: some persons are on both sides of a split",
        "the data set's own test part is the only one: fresh are the initial weights alone",
        "Half of it is drawn.",
    )
