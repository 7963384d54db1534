"""What a search does when it is told to: stop, cancel, pause, resume, retry, enqueue."""

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest

from fer_sweep.errors import SpecError, StudyError
from fer_sweep.spec import SweepSpec
from fer_sweep.study import steering
from fer_sweep.study.events import (
    Confirmed,
    Event,
    StudyCancelled,
    StudyFinished,
    StudyPaused,
    StudyResumed,
    TrialFinished,
    TrialStarted,
    Waiting,
)
from fer_sweep.study.home import Home
from fer_sweep.study.orders import Orders
from fer_sweep.study.point import point_from
from fer_sweep.study.standing import open_orders, standings
from fer_sweep.study.study import run_study
from tests.study.studies import DIVERGES, RATE, SGD, UNITS, ended, finished, inline, opened, reason, rows, run, sweep


@pytest.fixture(autouse=True)
def every_look_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steering, "LOOK_SECONDS", 0.0)


def steered(spec: SweepSpec, root: Path, order: Callable[[Event, Orders], None]) -> list[Event]:
    """Run a study; after every event somebody else may give an order, through a connection of their own."""
    seen: list[Event] = []
    with opened(spec, root) as study:
        others = open_orders(Home(root), study.name)
        with closing(run_study(study, executor=inline(study.samples))) as events:
            for event in events:
                seen.append(event)
                order(event, others)
                if isinstance(event, StudyCancelled):
                    break
    return seen


def trial_finished(event: Event, number: int) -> bool:
    return isinstance(event, TrialFinished) and event.trial.stage == "search" and event.trial.number == number


def params_of(root: Path, number: int) -> Mapping[str, Any]:
    return optuna.load_study(study_name="tiny", storage=Home(root).optuna_url).trials[number].params


def test_stop_lets_running_trials_end_and_skips_the_confirmation(tmp_path: Path) -> None:
    spec = sweep(confirm={"top_k": 1, "repeats": 2})

    def stop(event: Event, orders: Orders) -> None:
        if isinstance(event, TrialStarted) and event.trial.number == 0:
            orders.give("stop")

    events = steered(spec, tmp_path, stop)

    assert [row.state for row in ended(events)] == ["complete"] * 3
    assert reason(events) == "fer-sweep stop"
    assert not [event for event in events if isinstance(event, Confirmed)]
    resumed = run(spec, tmp_path)
    assert [row.state for row in ended(resumed)] == ["complete"] * 6
    assert [event for event in resumed if isinstance(event, Confirmed)]


def test_stop_during_the_confirmation_leaves_it_to_the_next_run(tmp_path: Path) -> None:
    spec = sweep(confirm={"top_k": 3, "repeats": 2}, resources={"trials_at_once": 1})

    def stop(event: Event, orders: Orders) -> None:
        if isinstance(event, TrialFinished) and event.trial.stage == "confirm":
            orders.give("stop")

    events = steered(spec, tmp_path, stop)

    assert sum(event.trial.stage == "confirm" for event in finished(events)) == 1
    (end,) = [event for event in events if isinstance(event, StudyFinished)]
    assert (end.reason, end.confirmed) == ("fer-sweep stop", ())
    assert len([event for event in run(spec, tmp_path) if isinstance(event, Confirmed)]) == 4


def test_cancel_comes_with_the_next_event(tmp_path: Path) -> None:
    def cancel(event: Event, orders: Orders) -> None:
        if isinstance(event, TrialStarted) and event.trial.number == 1:
            orders.give("stop")
            orders.give("cancel")

    events = steered(sweep(), tmp_path, cancel)

    assert isinstance(events[-1], StudyCancelled)
    assert isinstance(events[-2], TrialStarted)
    assert [row.state for row in rows(sweep(), tmp_path)] == ["running"] * 3
    assert [row.state for row in ended(run(sweep(), tmp_path))] == ["complete"] * 6


def test_an_order_to_an_earlier_coordinator_does_not_end_the_next(tmp_path: Path) -> None:
    run(sweep(run_cap=1), tmp_path)
    orders = open_orders(Home(tmp_path), "tiny")
    late = orders.give("stop")

    assert len(finished(run(sweep(run_cap=3), tmp_path))) == 2
    assert orders.answer_to(late) == "too late"


def test_a_paused_study_asks_nothing_until_it_is_resumed_over_a_restart_too(tmp_path: Path) -> None:
    def pause(event: Event, orders: Orders) -> None:
        if isinstance(event, TrialStarted) and event.trial.number == 0:
            orders.pause()
        if isinstance(event, Waiting):
            orders.give("cancel")

    first = steered(sweep(), tmp_path, pause)
    assert len(finished(first)) == 3
    assert [type(event) for event in first[-3:]] == [StudyPaused, Waiting, StudyCancelled]
    assert standings(Home(tmp_path), "tiny")[0].paused is not None

    waited: list[Event] = []

    def resume(event: Event, orders: Orders) -> None:
        waited.extend([event] if isinstance(event, Waiting) else [])
        if len(waited) == 2:
            orders.resume()

    second = steered(sweep(), tmp_path, resume)
    kinds = [type(event) for event in second]
    assert kinds[0] is StudyPaused
    assert kinds.index(TrialStarted) > kinds.index(StudyResumed)
    assert len(ended(second)) == 6


def test_an_enqueued_configuration_is_proposed_next_counts_and_says_so(tmp_path: Path) -> None:
    point = {"train.learning_rate": 0.05, "model.hidden_units": 6}

    def enqueue(event: Event, orders: Orders) -> None:
        if trial_finished(event, 2):
            orders.give("enqueue", assignments=point)

    events = steered(sweep(), tmp_path, enqueue)

    found = ended(events)
    assert len(found) == 6
    assert [row.origin for row in found] == ["", "", "", "enqueued", "", ""]
    assert dict(found[3].assignments) == point == dict(params_of(tmp_path, 3))
    assert standings(Home(tmp_path), "tiny")[0].waiting == ()


def test_what_is_enqueued_while_nobody_runs_waits_in_the_database(tmp_path: Path) -> None:
    run(sweep(run_cap=1), tmp_path)
    orders = open_orders(Home(tmp_path), "tiny")
    for units in (2, 6):
        orders.give("enqueue", assignments={"train.learning_rate": 0.02, "model.hidden_units": units})
    assert [o.assignments["model.hidden_units"] for o in standings(Home(tmp_path), "tiny")[0].waiting] == [2, 6]

    run(sweep(run_cap=2), tmp_path)
    found = ended(run(sweep(run_cap=4), tmp_path))
    assert [(row.origin, row.assignments["model.hidden_units"]) for row in found[1:3]] == [
        ("enqueued", 2),
        ("enqueued", 6),
    ]


@pytest.mark.parametrize("method", ["grid", "qmc"])
def test_the_methods_own_points_are_all_proposed_beside_what_is_enqueued(tmp_path: Path, method: str) -> None:
    spec = sweep({"model.hidden_units": UNITS}, method=method, run_cap=None if method == "grid" else 6)
    spec = spec.model_copy(update={"duplicates": "replicate"})
    run(spec.model_copy(update={"run_cap": 1}), tmp_path / "with")
    open_orders(Home(tmp_path / "with"), "tiny").give("enqueue", assignments={"model.hidden_units": 6})

    found = ended(run(spec, tmp_path / "with"))
    alone = ended(run(spec, tmp_path / "alone"))

    own = [dict(row.assignments) for row in found if not row.origin]
    assert own == [dict(row.assignments) for row in alone][: len(own)]
    assert len(found) == (4 if method == "grid" else 6)


def test_failed_trials_run_again_in_the_places_of_the_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space: dict[str, dict[str, Any]] = {"train.weight_decay": DIVERGES, "train.learning_rate": RATE}
    spec = sweep(space, train=SGD, run_cap=8, budget={"max_failed": None, "max_failed_in_a_row": None})
    first = ended(run(spec, tmp_path))
    failed = [row.number for row in first if row.state == "failed"]
    assert failed
    orders = open_orders(Home(tmp_path), "tiny")
    for number in [*failed, *failed]:
        orders.give("retry", trial=number)

    again = run(spec, tmp_path)

    found = ended(again)
    assert [event.trial.number for event in finished(again)] == list(range(8, 8 + len(failed)))
    assert [row.origin for row in found[8:]] == [f"retry of trial {number}" for number in failed]
    assert [row.assignments for row in found[8:]] == [first[number].assignments for number in failed]
    assert found[:8] == first
    assert reason(again) == "run_cap: 8 trials"
    assert len(ended(run(spec, tmp_path))) == 8 + len(failed)


SPACE: dict[str, dict[str, Any]] = {
    "train.learning_rate": RATE,
    "removal.rule": {"distribution": "categorical", "values": ["none", "bdr"]},
    "removal.interval": {"distribution": "q_uniform", "min": 5, "max": 50, "q": 5, "when": {"removal.rule": ("bdr",)}},
}


def test_what_is_not_named_is_as_in_the_base() -> None:
    assert point_from(sweep(SPACE), ["removal.rule=none"]) == {"train.learning_rate": 0.01, "removal.rule": "none"}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["train.learning_rate"], "train.learning_rate: is no assignment; write PATH=VALUE"),
        (["train.lerning_rate=0.1"], "is not searched by study tiny. Did you mean train.learning_rate? Searched are "),
        (["train.learning_rate=7"], "train.learning_rate: 7 does not lie in the space. Allowed: from 0.001 to 0.1."),
        (["removal.rule=xyz"], "removal.rule: 'xyz' does not lie in the space. Allowed: 'none' or 'bdr'."),
        (["removal.interval=5"], "removal.interval: exists only if removal.rule is 'bdr'."),
        (["removal.rule=bdr"], "removal.interval: must be named, because the base's value (null) does not lie in"),
        (["removal.rule=bdr", "removal.interval=7"], "Allowed: from 5 to 50 in steps of 5."),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_at_once(texts: list[str], message: str) -> None:
    with pytest.raises(SpecError) as refused:
        point_from(sweep(SPACE), texts)
    assert message in str(refused.value)


def test_orders_to_an_unknown_study_name_the_known(tmp_path: Path) -> None:
    run(sweep(run_cap=1), tmp_path)
    with pytest.raises(StudyError, match=r"no study is called 'other' .* Known studies: tiny\."):
        open_orders(Home(tmp_path), "other")
