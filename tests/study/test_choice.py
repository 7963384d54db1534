"""Which configuration a study offers for promotion, and what it says when there is none."""

from pathlib import Path

import pytest

from fer_sweep.errors import StudyError
from fer_sweep.study.choice import choose
from fer_sweep.study.events import Confirmed, StudyFinished, Trial
from fer_sweep.study.statistics import Comparison
from fer_sweep.study.study import run_study
from fer_sweep.study.summary import Summary, summarize
from fer_sweep.training.metrics import Estimate
from tests.study.studies import DIVERGES, inline, opened, sweep

SPEC = sweep(
    {"train.learning_rate": {"distribution": "categorical", "values": [0.0001, 0.001, 0.05]}},
    method="grid", run_cap=None, train={"epochs": 40, "learning_rate": 0.0001}, confirm={"top_k": 1, "repeats": 3},
)  # fmt: skip


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    with opened(SPEC, tmp_path_factory.mktemp("chosen")) as study:
        *_, end = run_study(study, executor=inline(study.samples))
        assert isinstance(end, StudyFinished)
        return summarize("tiny", SPEC, study.samples, study.split, end.rows, confirmed=end.confirmed)


def with_confirmed(
    summary: Summary, *confirmed: tuple[int, float, Comparison | None], goal: str = "maximize"
) -> Summary:
    found = tuple(
        Confirmed(Trial("confirm", number, SPEC.base, {}, "x"), Estimate(mean, 0.01, 6), comparison)
        for number, mean, comparison in confirmed
    )
    return Summary("tiny", "accuracy", goal, summary.rows, found, (), "")


def gain(low: float, high: float, p: float) -> Comparison:
    return Comparison((low + high) / 2, low, high, p, p, 0.01, 6)


def test_the_best_confirmed_configuration_is_chosen(summary: Summary) -> None:
    choice = choose(summary, SPEC, number=None)

    assert choice.number == 2
    assert choice.config.train.learning_rate == 0.05
    assert choice.confirmed is not None
    assert choice.confirmed.comparison is not None


def test_any_complete_trial_can_be_named(summary: Summary) -> None:
    base, other = choose(summary, SPEC, number=0), choose(summary, SPEC, number=1)

    assert base.config == SPEC.base
    assert base.confirmed is not None
    assert other.config.train.learning_rate == 0.001
    assert other.confirmed is None


def test_the_confirmed_best_counts_and_not_the_top_of_the_list(summary: Summary) -> None:
    upset = with_confirmed(summary, (1, 0.9, gain(0.1, 0.3, 0.01)), (2, 0.8, gain(0.05, 0.2, 0.02)), (0, 0.7, None))
    less = with_confirmed(
        summary, (1, 0.1, gain(-0.3, -0.1, 0.01)), (2, 0.3, gain(-0.1, 0.1, 0.9)), (0, 0.3, None), goal="minimize"
    )

    assert choose(upset, SPEC, number=None).number == 1
    assert choose(less, SPEC, number=None).number == 1


def test_a_trial_that_is_not_there_is_refused(summary: Summary) -> None:
    with pytest.raises(
        StudyError, match=r"--trial 9: study 'tiny' has no such trial\. Name a complete trial; see them"
    ):
        choose(summary, SPEC, number=9)


def test_a_search_without_a_confirmation_has_nothing_to_promote_by_itself(summary: Summary) -> None:
    with pytest.raises(StudyError) as refused:
        choose(with_confirmed(summary), SPEC, number=None)

    assert "has no confirmed configuration. Best of the search: train.learning_rate=0.05" in str(refused.value)
    assert "add a confirm section" in str(refused.value)
    assert "--trial 2 is the best of the search" in str(refused.value)


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (gain(-0.1, 0.2, 0.3), "The difference lies within the noise"),
        (gain(0.01, 0.2, 0.06), "The difference lies within the noise"),
        (gain(-0.3, -0.1, 0.01), "It is worse than the base"),
    ],
)
def test_what_does_not_beat_the_base_is_not_promoted_by_itself(
    summary: Summary, comparison: Comparison, words: str
) -> None:
    with pytest.raises(StudyError) as refused:
        choose(with_confirmed(summary, (2, 0.8, comparison), (0, 0.7, None)), SPEC, number=None)

    assert "no configuration that was shown to be better than its base" in str(refused.value)
    assert words in str(refused.value)
    assert str(refused.value).endswith("name it: --trial 0 (the base) or --trial 2.")


def test_a_base_that_failed_leaves_the_choice_to_the_user(summary: Summary) -> None:
    with pytest.raises(StudyError, match=r"The base failed on fresh splits.* --trial 2\."):
        choose(with_confirmed(summary, (2, 0.8, None)), SPEC, number=None)


def test_failed_trials_are_refused(tmp_path: Path) -> None:
    spec = sweep(
        {"train.weight_decay": DIVERGES}, method="grid", run_cap=None,
        train={"epochs": 10, "learning_rate": 0.01, "optimizer": "sgd", "weight_decay": 1e30},
    )  # fmt: skip
    with opened(spec, tmp_path) as study:
        *_, end = run_study(study, executor=inline(study.samples))
        assert isinstance(end, StudyFinished)
        failing = summarize("tiny", spec, study.samples, study.split, end.rows)

    with pytest.raises(StudyError, match="--trial 0: study 'tiny' ended it as failed"):
        choose(failing, spec, number=0)
    nothing = Summary("tiny", "accuracy", "maximize", failing.rows[:1], (), (), "")
    with pytest.raises(StudyError, match=r"'tiny' has nothing to promote\. No trial finished"):
        choose(nothing, spec, number=None)
