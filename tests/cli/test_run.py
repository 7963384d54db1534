import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fer_sweep.cli.app import app
from fer_sweep.errors import FerSweepError, StudyError
from fer_sweep.study.home import Home
from tests.cli.commands import FER_SWEEP, environment, fer_sweep
from tests.tracking.studies import TINY, children_of, client_of, new_home, runs_of, write_tiny
from tests.tracking.test_client import free_port

SHORT = ["--set", "run_cap=2", "--set", "train.epochs=6", "--set", "protocol.repeats=1"]


def invoke(*arguments: object, **extra: str) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env=extra)


def failing(*arguments: object) -> FerSweepError:
    error = invoke(*arguments).exception
    assert isinstance(error, FerSweepError)
    return error


def test_run_prints_json_alone_on_stdout_and_resumes(tmp_path: Path) -> None:
    home, file = new_home(tmp_path), write_tiny(tmp_path)

    first = fer_sweep("run", file, "--home", home.root, "--json", *SHORT)
    again = invoke("run", file, "--home", home.root, "--json", *SHORT)

    assert first.returncode == 0
    answer = json.loads(first.stdout)
    assert answer["study"] == "tiny"
    assert [trial["state"] for trial in answer["trials"]] == ["complete", "complete"]
    assert answer["ended_by"] == "run_cap: 2 trials"
    assert "trial 1 complete" in first.stderr
    assert "\x1b" not in first.stderr
    assert json.loads(again.stdout)["trials"] == answer["trials"]
    assert "resuming study tiny: 2 trials are done" in again.stderr
    assert len(runs_of(home)) == 3


def test_one_finished_trial_is_named_in_the_singular(tmp_path: Path) -> None:
    home, file = new_home(tmp_path), write_tiny(tmp_path)
    invoke("run", file, "--home", home.root, *SHORT, "--set", "run_cap=1")

    again = invoke("run", file, "--home", home.root, *SHORT)

    assert "resuming study tiny: 1 trial is done" in again.stderr
    assert "trial 1 complete" in again.stderr


def test_run_says_where_to_look(tmp_path: Path) -> None:
    home, file = new_home(tmp_path), write_tiny(tmp_path)

    done = invoke("run", file, "--home", home.root, *SHORT)

    assert f"fer-sweep serve --home {home.root}" in done.stdout
    assert "Best of the search" in done.stdout.replace("\n", " ")


def test_a_wrong_file_ends_with_2_and_every_problem(tmp_path: Path) -> None:
    file = write_tiny(tmp_path, TINY.replace("hidden_units", "hidden_unts").replace("method: random", "method: magic"))

    done = fer_sweep("run", file, "--home", tmp_path / "home")

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "hidden_unts" in done.stderr
    assert "magic" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "home").exists()


def test_a_study_without_a_valid_trial_ends_with_3(tmp_path: Path) -> None:
    home, file = new_home(tmp_path), write_tiny(tmp_path)

    done = invoke("run", file, "--home", home.root, *SHORT, "--set", "train.learning_rate=1000",
                  "--set", "train.optimizer=sgd", "--set", "parameters={}")  # fmt: skip

    assert done.exit_code == 3
    assert "No trial finished, so there is no answer." in done.stdout
    assert children_of(home)["search", 0].info.status == "FAILED"


def test_an_unreachable_server_ends_with_4(tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{free_port()}"

    done = fer_sweep("run", write_tiny(tmp_path), "--home", tmp_path / "home", "--tracking-uri", uri)

    assert done.returncode == 4
    assert f"error: the MLflow store {uri} does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_changed_file_is_refused_and_branches_on_request(tmp_path: Path) -> None:
    home, file = new_home(tmp_path), write_tiny(tmp_path)
    invoke("run", file, "--home", home.root, *SHORT)
    changed = ["run", file, "--home", home.root, *SHORT, "--set", "model.hidden_units=4"]

    error = failing(*changed)
    branched = invoke(*changed, "--branch")

    assert isinstance(error, StudyError)
    assert "model.hidden_units: 8 -> 4" in str(error)
    assert branched.exit_code == 0
    assert "tiny.2: accuracy by trial" in branched.stdout
    parents = {run.info.run_name for run in runs_of(home) if run.data.tags["fer.role"] == "study"}
    assert parents == {"tiny", "tiny.2"}


def test_output_into_a_pipe_that_closes_leaves_no_traceback(tmp_path: Path) -> None:
    piped = subprocess.run(
        f"{FER_SWEEP[0]} schema | head -1", shell=True, capture_output=True, text=True, env=environment(), check=False
    )

    assert piped.stdout == "{\n"
    assert piped.stderr == ""


def test_another_tracking_store_keeps_its_files_in_the_home(tmp_path: Path) -> None:
    home, other = Home(tmp_path / "mine"), new_home(tmp_path)
    uri = f"sqlite:///{other.mlflow_file}"

    done = invoke("run", write_tiny(tmp_path), "--home", home.root, "--tracking-uri", uri, *SHORT)

    assert done.exit_code == 0
    assert f"It is in the MLflow store {uri}" in done.stdout
    assert len(list(home.artifacts.rglob("confusion.png"))) == 2
    assert client_of(other).get_experiment_by_name("tiny") is not None


@pytest.mark.skipif(shutil.which("script") is None, reason="script (util-linux) is not installed")
def test_a_terminal_shows_bars_and_keeps_only_finished_lines(tmp_path: Path) -> None:
    home, file, log = new_home(tmp_path), write_tiny(tmp_path), tmp_path / "terminal.log"
    command = shlex.join([*FER_SWEEP, "run", str(file), "--home", str(home.root), *SHORT, "--set", "train.epochs=300"])

    subprocess.run(
        ["script", "-qec", command, str(log)],
        check=True, stdout=subprocess.DEVNULL, env=environment(COLUMNS="60", TERM="xterm"), timeout=120,
    )  # fmt: skip

    text = log.read_text(errors="replace")
    assert "trials" in text
    assert re.search(r"epochs of (trial 0|2 trials)", text)
    assert "\x1b[?25h" in text  # the cursor is back
    after_the_bars = text.rpartition("\x1b[?25h")[2]
    assert "━" not in after_the_bars
    assert "Best of the search" in re.sub(r"\x1b\[[0-9;]*m", "", after_the_bars).replace("\r\n", " ")


def test_no_color_and_a_narrow_width_are_respected(tmp_path: Path) -> None:
    home, file = new_home(tmp_path), write_tiny(tmp_path)

    done = fer_sweep("run", file, "--home", home.root, *SHORT, NO_COLOR="1", COLUMNS="60")

    assert "\x1b" not in done.stdout + done.stderr
    table, _, _ = done.stdout.partition("Browse it")
    assert max(map(len, table.splitlines())) <= 60
    finished = [line for line in done.stderr.splitlines() if " complete " in line]
    assert [line.split(" complete")[0] for line in finished] == ["base", "trial 1"]


def test_a_pool_of_processes_gives_the_answer_of_one(tmp_path: Path) -> None:
    file = write_tiny(tmp_path)
    answers = {}
    for kind in (["--executor", "inline"], ["--slots", "2"]):
        done = fer_sweep("run", file, "--home", tmp_path / kind[-1], "--offline", "--json", *kind,
                         "--set", "resources.trials_at_once=2")  # fmt: skip
        assert done.returncode == 0, done.stderr
        answers[kind[0]] = json.loads(done.stdout)

    alone, shared = answers.values()
    assert [row["mean"] for row in alone["trials"]] == [row["mean"] for row in shared["trials"]]
    assert [row["assignments"] for row in alone["trials"]] == [row["assignments"] for row in shared["trials"]]
