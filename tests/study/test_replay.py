"""A replayed event is the event that was."""

from pathlib import Path
from typing import Any

import pytest

from fer_sweep.study.events import TrialFinished
from fer_sweep.study.replay import replay
from tests.study.studies import RATE, UNITS, finished, opened, run, sweep
from tests.study.test_journal import assert_same

DIVERGES = {"distribution": "categorical", "values": [0.0, 1e30]}
SWEEPS: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "complete": (None, {}),
    "reused": ({"model.hidden_units": UNITS}, {"run_cap": 8}),
    "failed": (
        {"train.weight_decay": DIVERGES, "train.learning_rate": RATE},
        {"train": {"epochs": 10, "optimizer": "sgd"}},
    ),
    "pruned": (None, {"budget": {"max_hours": 1e-9}, "train": {"epochs": 300}}),
    "invalid": (
        {
            "removal.start": {"distribution": "categorical", "values": [2, 8]},
            "train.epochs": {"distribution": "categorical", "values": [6, 10]},
        },
        {"method": "grid", "removal": {"rule": "bdr", "start": 2}},
    ),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_a_replayed_trial_is_the_live_one(tmp_path: Path, name: str) -> None:
    parameters, changes = SWEEPS[name]
    spec = sweep(parameters, **changes)
    live = {event.trial.number: event for event in finished(run(spec, tmp_path))}
    with opened(spec, tmp_path) as study:
        replayed = list(replay(study, sorted(live)))
    assert [event.trial.number for event in replayed] == sorted(live)
    for event in replayed:
        check(event, live[event.trial.number])


def check(event: TrialFinished, was: TrialFinished) -> None:
    assert (event.trial, event.row, event.reused_from) == (was.trial, was.row, was.reused_from)
    assert event.failure == was.failure
    if event.failure is not None and was.failure is not None:
        assert event.failure.traceback == was.failure.traceback
    assert (event.result is None) == (was.result is None)
    if event.result is not None and was.result is not None:
        assert_same(event.result, was.result)
