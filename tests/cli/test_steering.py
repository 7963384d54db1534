"""Steering verbs, given to the real command in a real process, as docs/steering.md writes them."""

import json
import re
import shlex
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from typer.testing import CliRunner, Result

from fer_sweep.cli.app import app
from fer_sweep.errors import DataError, SpecError, StudyError
from fer_sweep.study.home import Home
from fer_sweep.tracking.outbox import read_outbox
from fer_sweep.training.failures import failure_of
from tests.cli.commands import ROOT, Started, start
from tests.tracking.studies import children_of, new_home, runs_of, write_tiny

LONG = [
    "--set",
    "protocol.repeats=1",
    "--set",
    "resources.trials_at_once=1",
    "--set",
    "run_cap=1000",
    "--set",
    "train.epochs=20000",
]
COMMANDS = re.findall(r"^fer-sweep .*$", (ROOT / "docs" / "steering.md").read_text(), re.MULTILINE)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def told(verb: str, home: Home, *more: object) -> dict[str, Any]:
    """What an accepted order answers, as JSON."""
    done = invoke(verb, "tiny", *more, "--home", home.root, "--json")
    assert done.exit_code == 0, done.output
    body: dict[str, Any] = json.loads(done.stdout)
    return body


def status_of(home: Home) -> Mapping[str, Any]:
    return told("status", home)


def running(folder: Path, *more: object) -> tuple[Home, Path, Started]:
    home, file = new_home(folder), write_tiny(folder)
    command = start("run", file, "--home", home.root, *LONG, *more, folder=folder)
    command.wait_for(lambda: "trial 1 complete" in command.stderr)
    return home, file, command


def test_pause_enqueue_resume_and_stop_steer_a_running_study(tmp_path: Path) -> None:
    home, _, command = running(tmp_path)

    assert told("pause", home)["paused"]
    command.wait_for(lambda: "paused since" in command.stderr)
    asked = len(status_of(home)["trials"])
    point = told("enqueue", home, "removal.alpha=0.25")["assignments"]
    assert point == {"train.learning_rate": 0.01, "removal.alpha": 0.25}
    assert len(status_of(home)["trials"]) == asked
    assert [waiting["order"] for waiting in status_of(home)["waiting"]] == ["enqueued"]
    assert not told("resume", home)["paused"]
    command.wait_for(lambda: "(enqueued)" in command.stderr)
    order = told("stop", home)

    assert order["seen"]
    assert command.process.wait(timeout=60) == 0
    assert "search ended by fer-sweep stop" in command.stderr
    trials = optuna.load_study(study_name="tiny", storage=home.optuna_url).trials
    assert {trial.state for trial in trials} == {optuna.trial.TrialState.COMPLETE}
    assert trials[asked].user_attrs["origin"] == "enqueued"
    tags = {
        run.data.tags["fer.trial"]: run.data.tags.get("fer.origin")
        for run in runs_of(home)
        if "fer.trial" in run.data.tags
    }
    assert [number for number, origin in tags.items() if origin == "enqueued"] == [str(asked)]
    assert len(children_of(home)) == len(trials)


def test_cancel_ends_a_running_study_now_and_its_command_resumes(tmp_path: Path) -> None:
    home, file, command = running(tmp_path, "--executor", "pool", "--offline")
    done = len(status_of(home)["trials"])

    assert told("cancel", home)["seen"]

    assert command.process.wait(timeout=60) == 130
    assert "cancelled by fer-sweep cancel. The same command resumes." in command.stderr
    assert "Traceback" not in command.stderr
    entries = [line.entry for line in read_outbox(home.study("tiny").outbox)]
    assert entries[-1] is not None
    assert (entries[-1].kind, entries[-1].body["status"]) == ("ended", "KILLED")
    cap = ["--set", "train.epochs=20000", "--set", f"run_cap={done + 1}", "--offline"]
    resumed = invoke("run", file, "--home", home.root, *LONG[:4], *cap)
    assert resumed.exit_code == 0, resumed.output
    assert len(status_of(home)["trials"]) == done + 1


def test_two_ctrl_c_within_a_tenth_of_a_second_are_one(tmp_path: Path) -> None:
    home, _, command = running(tmp_path, "--offline")
    command.process.send_signal(signal.SIGINT)

    assert command.end(signal.SIGINT) == 130

    assert "interrupted. The same command resumes." in command.stderr
    assert "Traceback" not in command.stderr
    assert "Exception ignored" not in command.stderr
    assert {trial["state"] for trial in status_of(home)["trials"]} <= {"complete", "running"}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A study that is over. Two of its trials failed, as their rate makes the loss no number."""
    folder = tmp_path_factory.mktemp("ended")
    home = new_home(folder)
    values = "parameters.train.weight_decay.values=[0.0, 1e30]"
    sgd = ["train.optimizer=sgd", "removal.rule=none", "method=grid", "run_cap=4", values]
    changes = [part for change in sgd for part in ("--set", change)]
    text = write_tiny(folder).read_text().replace("  removal.alpha: {min: 0.0, max: 1.0}\n", "")
    text = text.replace(
        "  train.learning_rate: {distribution: log_uniform_values, min: 1e-3, max: 1e-1}",
        "  train.momentum: {values: [0.0, 0.5]}",
    )
    done = invoke("run", write_tiny(folder, text), "--home", home.root, *changes, "--offline", "--executor", "pool")
    assert done.exit_code == 0, done.output
    return home


def test_logs_say_why_a_trial_failed(ended: Home) -> None:
    failed = next(t["number"] for t in status_of(ended)["trials"] if t["state"] == "failed")

    shown = invoke("logs", "tiny", failed, "--home", ended.root)
    body = told("logs", ended, failed)

    assert f"trial {failed} failed (diverged): the training loss is no longer a finite number" in shown.stdout
    assert (body["failure"], body["state"], body["trial"]) == ("diverged", "failed", failed)
    follow = invoke("logs", "tiny", failed, "--follow", "--home", ended.root)
    assert follow.stdout == shown.stdout


def test_failed_trials_are_ordered_again_once(ended: Home) -> None:
    failed = [t["number"] for t in status_of(ended)["trials"] if t["state"] == "failed"]

    assert told("retry", ended, "--failed")["retried"] == failed

    assert [w["order"] for w in status_of(ended)["waiting"]] == [f"retry of trial {n}" for n in failed]
    again = invoke("retry", "tiny", "--failed", "--home", ended.root)
    assert isinstance(again.exception, StudyError)
    assert "has no failed trial that could run again" in str(again.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stop", "other"], "no study is called 'other' in .* Known studies: tiny"),
        (
            ["stop", "tiny"],
            "nobody runs study 'tiny' at this moment, so there is nothing to stop. .*fer-sweep pause tiny",
        ),
        (["cancel", "tiny"], "nobody runs study 'tiny' at this moment, so there is nothing to cancel"),
        (["resume", "tiny"], "study 'tiny' is not paused, so there is nothing to resume"),
        (["retry", "tiny", "0"], "trial 0 of study 'tiny' is complete; only failed trials can run again"),
        (["retry", "tiny", "99"], "study 'tiny' has no trial 99. It has 4 trials, the first is 0."),
        (["logs", "tiny", "99"], "study 'tiny' has no trial 99. It has 4 trials, the first is 0."),
        (["logs", "tiny", "x"], "'x' names no trial. Write its number, such as 3, or confirm/3"),
        (["logs", "tiny", "confirm/3"], r"trial confirm/3 of study 'tiny' \(.*\) has no log: only trials in a process"),
    ],
)
def test_what_cannot_be_done_is_explained(ended: Home, arguments: list[str], message: str) -> None:
    done = invoke(*arguments, "--home", ended.root)
    assert isinstance(done.exception, StudyError)
    assert re.search(message, str(done.exception))


def test_a_configuration_outside_of_the_space_is_refused(ended: Home) -> None:
    done = invoke("enqueue", "tiny", "train.momentum=2", "--home", ended.root)
    assert isinstance(done.exception, SpecError)
    assert str(done.exception) == "train.momentum: 2 does not lie in the space. Allowed: 0.0 or 0.5."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["retry", "tiny"], "name failed trials, or say --failed"),
        (["retry", "tiny", "1", "--failed"], "name failed trials, or say --failed"),
        (["logs", "tiny", "1", "--follow", "--json"], "leave out --json"),
    ],
)
def test_wrong_use_ends_with_2(arguments: list[str], message: str) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_watch_prints_lines_of_json_when_something_changes(ended: Home, tmp_path: Path) -> None:
    command = start("status", "tiny", "--watch", "--json", "--home", ended.root, folder=tmp_path)
    command.wait_for(lambda: command.stdout.count("\n") == 1)
    told("pause", ended)
    command.wait_for(lambda: command.stdout.count("\n") == 2)
    told("resume", ended)

    assert command.end(signal.SIGINT) == 0

    lines = [json.loads(line) for line in command.stdout.splitlines()]
    assert [line["paused_since"] is None for line in lines[:2]] == [True, False]
    assert command.stderr == ""


def test_watch_in_a_narrow_pipe_prints_pages_without_colour(ended: Home, tmp_path: Path) -> None:
    command = start("status", "--watch", "--home", ended.root, folder=tmp_path, extra={"COLUMNS": "60"})
    command.wait_for(lambda: "tiny" in command.stdout)

    assert command.end(signal.SIGTERM) == 0

    assert "\x1b" not in command.stdout
    assert max(map(len, command.stdout.splitlines())) <= 60


def test_every_command_of_the_page_works(ended: Home, tmp_path: Path) -> None:
    home, _, command = running(tmp_path, "--offline")
    verbs = [shlex.split(line)[1] for line in COMMANDS]
    assert set(verbs) == {"stop", "cancel", "pause", "resume", "retry", "enqueue", "status", "logs"}
    for line in COMMANDS:
        arguments = shlex.split(line.replace("STUDY", "tiny"), comments=True)[1:]
        if arguments[0] in ("retry", "logs", "cancel") or "--watch" in arguments:
            continue  # above
        done = invoke(*arguments, "--home", home.root)
        assert done.exit_code == 0, (line, done.output)
    assert command.process.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (MemoryError(), "memory", "out of memory: no memory left"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes\nmore"), "memory", "out of memory: Default"),
        (DataError("a.png: no picture"), "data", "DataError: a.png: no picture"),
        (ValueError("else"), "error", "ValueError: else"),
    ],
)
def test_failures_are_told_apart(error: Exception, kind: str, message: str) -> None:
    failure = failure_of(3, error)
    assert (failure.trial, failure.kind) == (3, kind)
    assert failure.message.startswith(message)
