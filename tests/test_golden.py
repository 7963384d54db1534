"""One golden run: a small sweep's event stream, written down. A refactoring must reproduce it.

A change that is meant to alter results regenerates it, in a commit of its own:
FER_GOLDEN=write pytest tests/test_golden.py
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fer_sweep.data import load_samples
from fer_sweep.spec import load_sweep
from fer_sweep.study.events import (
    Confirmed,
    EpochReported,
    Event,
    SearchEnded,
    StudyCancelled,
    StudyFinished,
    StudyPaused,
    StudyResumed,
    TrialFinished,
    TrialInterrupted,
    TrialStarted,
    Waiting,
)
from fer_sweep.study.home import Home
from fer_sweep.study.study import open_study, run_study
from tests.study.studies import inline

GOLDEN = Path(__file__).parent / "golden"
SWEEP, EVENTS = GOLDEN / "sweep.yaml", GOLDEN / "events.json"


def as_facts(event: Event) -> dict[str, Any]:
    """What must stay the same about an event; no times, no machine."""
    match event:
        case TrialStarted(trial=trial):
            return {"started": [trial.stage, trial.number], "assignments": dict(trial.assignments)}
        case EpochReported(trial=trial, report=report):
            return {
                "reported": [trial.stage, trial.number, report.epoch],
                "loss": report.train_loss,
                "variance": report.loss_variance,
                "active": report.active_samples,
                "accuracy": report.test.accuracy,
            }
        case TrialFinished(trial=trial, row=row, result=result):
            assert result is not None
            removals = [[r.epoch, list(r.removed)] for network in result.networks for r in network.removals]
            return {"finished": [trial.stage, trial.number, row.state], "mean": row.mean, "removals": removals}
        case TrialInterrupted(trial=trial):
            return {"interrupted": trial.number}
        case SearchEnded(reason=reason):
            return {"search ended": reason}
        case Confirmed(trial=trial, metric=metric, comparison=comparison):
            p = None if comparison is None else comparison.p_holm
            return {"confirmed": trial.number, "mean": metric.mean, "spread": metric.spread, "p": p}
        case StudyFinished(rows=rows):
            return {"study finished": [row.number for row in rows]}
        case Waiting() | StudyPaused() | StudyResumed() | StudyCancelled():
            raise AssertionError("nobody steers this study")


def test_a_small_sweep_reproduces_the_golden_run(tmp_path: Path) -> None:
    spec = load_sweep(SWEEP)
    with open_study(spec, load_samples(spec.data), Home(tmp_path)) as study:
        facts = [as_facts(event) for event in run_study(study, executor=inline(study.samples))]
    if os.environ.get("FER_GOLDEN") == "write":
        EVENTS.write_text("[\n" + ",\n".join(json.dumps(fact) for fact in facts) + "\n]\n")

    golden = json.loads(EVENTS.read_text())

    assert len(facts) == len(golden)
    for fact, expected in zip(facts, golden, strict=True):
        assert same(json.loads(json.dumps(fact)), expected), f"{fact}\nwas\n{expected}"


def same(value: Any, expected: Any) -> bool:
    """Equal, but for the last digits of floats: other processors add in another order."""
    if isinstance(expected, dict):
        return value.keys() == expected.keys() and all(same(value[key], expected[key]) for key in expected)
    if isinstance(expected, float):
        return bool(value == pytest.approx(expected, rel=1e-3, abs=1e-5))
    return bool(value == expected)
