"""What a sampler sees of a large study, and that it does not matter when it is opened anew."""

import random
from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from fer_sweep.spec import SweepSpec
from fer_sweep.study import sight
from fer_sweep.study.proposals import Proposer
from fer_sweep.study.sight import Sight
from fer_sweep.study.store import StudyStore
from tests.study.studies import opened, sweep


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small study is already a large one."""
    monkeypatch.setattr(sight, "LATEST", 15)
    monkeypatch.setattr(sight, "BEST", 4)


def with_values(values: Sequence[float | None], direction: str = "maximize") -> tuple[optuna.Study, Sight]:
    """A study of complete trials; None is one that failed."""
    storage = Sight()
    study = optuna.create_study(storage=storage, direction=direction)  # type: ignore[arg-type]
    for value in values:
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        study.add_trial(optuna.create_trial(value=value, state=state))
    return study, storage


def numbers(trials: list[FrozenTrial]) -> list[int]:
    return [trial.number for trial in trials]


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_best_and_the_latest_are_shown(direction: str) -> None:
    values = [random.Random(number).choice([None, number % 7, -(number % 11)]) for number in range(100)]

    study, storage = with_values(values, direction)

    sign = -1 if direction == "maximize" else 1
    before = [(sign * value, number) for number, value in enumerate(values[:85]) if value is not None]
    assert numbers(study.get_trials(deepcopy=False)) == [*sorted(n for _, n in sorted(before)[:4]), *range(85, 100)]
    assert numbers(storage.every(study._study_id)) == list(range(100))
    failed = study.get_trials(states=(TrialState.FAIL,))
    assert numbers(failed) == [number for number in range(85, 100) if values[number] is None]


@pytest.mark.usefixtures("narrow")
def test_trials_that_run_are_shown_until_they_have_ended() -> None:
    study, _ = with_values([1.0])
    waiting = study.ask()
    for number in range(40):
        study.add_trial(optuna.create_trial(value=float(number)))

    assert waiting.number in numbers(study.get_trials())
    study.tell(waiting, -1.0)
    assert waiting.number not in numbers(study.get_trials())


def test_a_small_study_is_shown_whole() -> None:
    study, _ = with_values([float(number % 5) for number in range(sight.LATEST)])

    assert numbers(study.get_trials()) == list(range(sight.LATEST))


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("early_terminate", ["none", "hyperband"])
def test_a_large_study_that_is_opened_anew_is_asked_the_same(tmp_path: Path, early_terminate: str) -> None:
    spec = sweep(method="bayes", run_cap=40, early_terminate={"type": early_terminate}, train={"epochs": 100})

    whole = proposed(spec, tmp_path / "whole", [36])
    cut = proposed(spec, tmp_path / "cut", [18, 30, 31, 36])

    assert cut == whole


def proposed(spec: SweepSpec, root: Path, cuts: list[int]) -> list[object]:
    """Proposals of a study that is closed and opened again at some numbers, and told a made-up value for each."""
    made: list[object] = []
    for cut in cuts:
        with opened(spec, root) as study:
            proposer, store = Proposer(spec), study.store
            while len(made) < cut:
                made.append(one_more(proposer, store, len(made)))
    return made


def one_more(proposer: Proposer, store: StudyStore, number: int) -> object:
    assignments = proposer.ask(store.study, number, number)
    store.begin(number, assignments)
    rate = assignments["train.learning_rate"]
    assert isinstance(rate, float)
    store.tell(number, {"mean": 1.0 - rate}, key=str(number), state="complete", value=1.0 - rate)
    return assignments
