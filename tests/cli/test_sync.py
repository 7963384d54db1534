"""What has been waiting is sent."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fer_sweep.cli.app import app
from fer_sweep.errors import StudyError, TrackingError
from fer_sweep.study.home import Home
from fer_sweep.study.lock import writer_lock
from tests.cli.commands import fer_sweep
from tests.tracking.studies import children_of, metric_rows, new_home, runs_of, write_tiny

SHORT = ["--set", "run_cap=2", "--set", "train.epochs=6", "--set", "protocol.repeats=1", "--set", "removal.rule=none",
         "--set", "parameters={train.learning_rate: {min: 0.001, max: 0.1}}"]  # fmt: skip


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A study that was run without MLflow."""
    home = new_home(tmp_path)
    done = invoke("run", write_tiny(tmp_path), "--home", home.root, "--offline", *SHORT)
    assert done.exit_code == 0, done.output
    assert metric_rows(home) == 0
    return home


def test_what_was_run_offline_is_sent_and_then_there_is_nothing_left(home: Home) -> None:
    sent = invoke("sync", "--home", home.root)

    assert sent.exit_code == 0, sent.output
    assert "tiny: 6 entries written to sqlite:///" in sent.stdout
    assert set(children_of(home)) == {("search", 0), ("search", 1)}
    rows = metric_rows(home)
    assert rows > 0
    assert "has everything already" in invoke("sync", "tiny", "--home", home.root).stdout
    assert metric_rows(home) == rows


def test_a_script_reads_json_and_damage_is_told(home: Home) -> None:
    outbox = home.study("tiny").outbox
    lines = outbox.read_bytes().splitlines(keepends=True)
    outbox.write_bytes(b"".join([lines[0], b"?" + lines[1][1:], *lines[2:]]))

    sent = invoke("sync", "--home", home.root, "--json")

    assert json.loads(sent.stdout) == [{"study": "tiny", "written": 5, "left": 0, "problem": ""}]
    assert "warning: a damaged entry in the outbox of tiny is passed over" in sent.stderr


def test_a_torn_end_is_told_with_what_mends_it(home: Home) -> None:
    with home.study("tiny").outbox.open("ab") as outbox:
        outbox.write(b"torn")

    sent = invoke("sync", "--home", home.root)

    doctor = f"fer-sweep doctor --repair --home {home.root}"
    assert sent.exit_code == 0
    assert "tiny: 6 entries written to sqlite:///" in sent.stdout
    assert "warning: the outbox of tiny ends in the middle of an entry" in sent.stderr
    assert f"last 4 bytes cannot be sent. What it was about is noted anew by {doctor}, or by" in sent.stderr
    assert invoke("doctor", "--repair", "--home", home.root).exit_code == 0
    assert invoke("sync", "--home", home.root).stderr == ""


def test_a_namesake_from_another_home_is_told_and_left_alone(home: Home, tmp_path: Path) -> None:
    invoke("sync", "--home", home.root)
    before = {run.info.run_id for run in runs_of(home)}
    store = f"sqlite:///{home.mlflow_file}"

    done = fer_sweep("run", tmp_path / "tiny.yaml", "--home", tmp_path / "other", "--tracking-uri", store, *SHORT)

    assert done.returncode == 0, done.stderr
    assert f"warning: another study called tiny is in {store}, from another home or with other data." in done.stderr
    assert len(runs_of(home)) == 2 * len(before)
    again = invoke("sync", "--home", tmp_path / "other", "--tracking-uri", store)
    assert "warning: another study called tiny is in " in again.stderr


def test_an_unknown_study_and_an_empty_home_are_told(home: Home, tmp_path: Path) -> None:
    unknown = invoke("sync", "tinny", "--home", home.root).exception
    assert isinstance(unknown, StudyError)
    assert str(unknown) == f"no study is called 'tinny' in {home.root}. Known studies: tiny."

    empty = invoke("sync", "--home", tmp_path / "empty")
    assert empty.stdout == f"No studies in {tmp_path / 'empty'} yet, so there is nothing to send.\n"


def test_a_study_that_is_being_sent_by_another_process_is_left_to_it(home: Home) -> None:
    with writer_lock("tiny", home.study("tiny"), timeout=0.0):
        sent = invoke("sync", "--home", home.root)

    assert isinstance(sent.exception, TrackingError)
    assert str(sent.exception) == "not everything could be sent of: tiny. Run fer-sweep sync again."
    assert "tiny: 0 entries written, 6 left: another process is sending the outbox" in sent.stdout
