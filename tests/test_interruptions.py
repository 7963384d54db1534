"""kill -9 at random moments, again and again: a study must come out as if nothing had happened.

FER_KILLS=20 kills more often than the 3 times of the test suite.
"""

import os
import random
import re
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

from fer_sweep.cli.app import app
from fer_sweep.study.home import Home
from tests.cli.commands import Started, fer_sweep, start
from tests.tracking.studies import children_of, new_home, runs_of, write_tiny

KILLS = int(os.environ.get("FER_KILLS", "3"))
CAP = 6
SHORT = ["--set", "protocol.repeats=1", "--set", "resources.trials_at_once=3"]
LONG = [*SHORT, "--set", f"run_cap={CAP}"]
FEW = 4
BRIEF = [*SHORT, "--set", f"run_cap={FEW}"]
SLOW = [*BRIEF, "--set", "resources.trials_at_once=1", "--set", "train.epochs=5000"]
"""Not over when a signal arrives that was sent after the first trial: later, Ctrl-C ends the wait for MLflow."""


def metrics(home: Home) -> dict[tuple[str, str, int], list[float]]:
    """(run name, key, step) -> values, without times."""
    query = """select tags.value, metrics.key, metrics.step, metrics.value from metrics join tags
               on metrics.run_uuid = tags.run_uuid and tags.key = 'mlflow.runName'"""
    found: dict[tuple[str, str, int], list[float]] = {}
    with closing(sqlite3.connect(home.mlflow_file)) as database:
        for name, key, step, value in database.execute(query):
            if key != "seconds":
                found.setdefault((name, key, step), []).append(value)
    return found


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("uninterrupted")
    home = new_home(folder)
    done = CliRunner().invoke(app, ["run", str(write_tiny(folder)), "--home", str(home.root), *LONG])
    assert done.exit_code == 0, done.output
    return home


def test_a_study_survives_kill_9(uninterrupted: Home, tmp_path: Path) -> None:
    home, file = new_home(tmp_path), write_tiny(tmp_path)
    moments = random.Random(20)
    landed = 0
    for _ in range(KILLS):
        command = start("run", file, "--home", home.root, *LONG, folder=tmp_path)
        while not home.optuna_file.exists() and command.process.poll() is None:
            time.sleep(0.02)
        wait_until_it_works(command)
        time.sleep(moments.uniform(0.0, 1.2))
        landed += command.process.poll() is None
        command.end(signal.SIGKILL)

    last = fer_sweep("run", file, "--home", home.root, *LONG)

    assert last.returncode == 0, last.stderr
    assert landed > KILLS / 3
    study = optuna.load_study(study_name="tiny", storage=home.optuna_url)
    assert [trial.number for trial in study.trials] == list(range(CAP))
    assert {trial.state for trial in study.trials} == {optuna.trial.TrialState.COMPLETE}
    assert set(children_of(home)) == {("search", number) for number in range(CAP)}
    assert {run.info.status for run in runs_of(home)} == {"FINISHED"}
    assert len(runs_of(home)) == CAP + 1
    expected = metrics(uninterrupted)
    # a batch that was cut in two adds up in another order, which changes last digits
    assert metrics(home) == {key: pytest.approx(values, rel=1e-3, abs=1e-5) for key, values in expected.items()}


def wait_until_it_works(command: Started) -> None:
    """Until the study is open and something has been printed about it, or the process has ended."""
    while command.process.poll() is None and not re.search(r"resuming|complete", command.stderr):
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_in_order_and_the_same_command_resumes(tmp_path: Path, how: signal.Signals) -> None:
    home, file = new_home(tmp_path), write_tiny(tmp_path)
    command = start("run", file, "--home", home.root, *SLOW, folder=tmp_path)
    command.wait_for(lambda: "base complete" in command.stderr)

    assert command.end(how) == 130

    assert "interrupted. The same command resumes." in command.stderr
    assert "Traceback" not in command.stderr
    assert {run.info.status for run in runs_of(home)} <= {"FINISHED", "KILLED"}
    resumed = CliRunner().invoke(app, ["run", str(file), "--home", str(home.root), *SLOW])
    assert resumed.exit_code == 0
    assert re.search(r"resuming study tiny: \d+ trials? (is|are) done", resumed.stderr)
    assert {run.info.status for run in runs_of(home)} == {"FINISHED"}
    assert len(children_of(home)) == FEW


def test_a_second_ctrl_c_leaves_nothing_broken(tmp_path: Path) -> None:
    home, file = new_home(tmp_path), write_tiny(tmp_path)
    command = start("run", file, "--home", home.root, *BRIEF, folder=tmp_path)
    command.wait_for(lambda: "base complete" in command.stderr)
    command.process.send_signal(signal.SIGINT)
    time.sleep(0.5)

    assert command.end(signal.SIGINT) == 130

    resumed = CliRunner().invoke(app, ["run", str(file), "--home", str(home.root), *BRIEF])
    assert resumed.exit_code == 0
    assert {run.info.status for run in runs_of(home)} == {"FINISHED"}
    assert len(children_of(home)) == FEW
