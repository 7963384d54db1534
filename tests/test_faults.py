"""Faults that a study must survive: a full disk, a signal at any stage, workers that are killed. Afterwards exactly
run_cap trials have finished, none is lost, none is there twice, and both stores say the same.

With FER_KILLS=20 in the environment signals come at all stages and workers are killed. (kill -9 of the coordinator
and Ctrl-C while it trains: test_interruptions.py. MLflow away: tracking/test_outages.py.)
"""

import errno
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path

import optuna
import psutil
import pytest
from typer.testing import CliRunner

from fer_sweep.cli.app import DISK_FULL, app, main
from fer_sweep.errors import StudyError, TrackingError, out_of_space
from fer_sweep.study.home import Home
from fer_sweep.training.checkpoint import Checkpoint
from tests.cli.commands import Started, fer_sweep, start
from tests.tracking.studies import TINY, children_of, new_home, runs_of, write_tiny

THOROUGH = "FER_KILLS" in os.environ
CAP = 4
SHORT = ["--set", "protocol.repeats=1", "--set", f"run_cap={CAP}", "--set", "resources.trials_at_once=2"]


def assert_all_is_there(home: Home, *, confirmed: int = 0) -> None:
    """Both stores have every trial once, and as finished."""
    study = optuna.load_study(study_name="tiny", storage=home.optuna_url)
    assert [trial.number for trial in study.trials] == list(range(CAP))
    assert {trial.state for trial in study.trials} == {optuna.trial.TrialState.COMPLETE}
    stages = [stage for stage, _ in children_of(home)]
    assert (stages.count("search"), stages.count("confirm")) == (CAP, confirmed)
    runs = runs_of(home)
    assert len(runs) == 1 + CAP + confirmed
    assert {run.info.status for run in runs} == {"FINISHED"}


# -- a full disk -------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk can be had by root alone, where mounting is allowed")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_is_told_and_the_same_command_resumes(small_disk: Path, tmp_path: Path) -> None:
    home, filler = new_home(small_disk), small_disk / "filler"
    command = ["run", str(write_tiny(tmp_path)), "--home", str(home.root), *SHORT]

    for left in (150, 440) if THOROUGH else (440,):  # KiB: not enough for a database, and not for all trials
        filler.unlink(missing_ok=True)
        space = os.statvfs(small_disk)
        filler.write_bytes(bytes(space.f_bavail * space.f_frsize - left * 1024))
        full = fer_sweep(*command, "--offline")
        assert full.returncode == DISK_FULL, full.stderr
        assert "Traceback" not in full.stderr
        assert "Free some space and run the same command again; what was computed so far is kept." in full.stderr
    assert "base complete" in full.stderr
    assert f"trial {CAP - 1} complete" not in full.stderr
    filler.unlink()

    resumed = CliRunner().invoke(app, command)
    assert resumed.exit_code == 0, resumed.output
    assert "resuming study tiny" in resumed.stderr
    assert_all_is_there(home)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (sqlite3.OperationalError("database or disk is full"), "database or disk is full"),
        (OSError(errno.EACCES, "Permission denied"), None),
        (sqlite3.OperationalError("no such table"), None),
    ],
)
def test_a_full_disk_is_told_from_other_errors(error: Exception, said: str | None) -> None:
    wrapped = RuntimeError("storage")
    wrapped.__cause__ = error

    for raised in (error, wrapped):
        found = out_of_space(raised)
        assert (found is None) if said is None else (said in str(found))


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (StudyError("no such study."), 2, "error: no such study."),
        (TrackingError("the store is away."), 4, "error: the store is away."),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            7,
            "error: the disk is full: [Errno 28] No space",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x/y"),
            2,
            "error: /x/y: Permission denied. Let this",
        ),
    ],
)
def test_an_error_is_a_message_and_an_exit_code(
    error: Exception, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        if isinstance(error, OSError) and code == DISK_FULL:
            raise TrackingError("the journal cannot be written") from error  # what was made of it comes second
        raise error

    monkeypatch.setattr("fer_sweep.cli.app.app", fail)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == code
    assert capsys.readouterr().err.startswith(said)


def test_a_checkpoint_that_the_disk_does_not_take_costs_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_content: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file")

    class Training:
        def state(self) -> dict[str, int]:
            return {"epoch": 3}

    monkeypatch.setattr("torch.save", full)
    checkpoint = Checkpoint(tmp_path / "trial.pt", "key")
    checkpoint.save(Training(), [])  # type: ignore[arg-type]

    assert list(tmp_path.iterdir()) == []
    assert not checkpoint.due


# -- signals at every stage --------------------------------------------------------------------------------------------


def outbox_of(home: Home) -> str:
    file = home.study("tiny").outbox
    return file.read_text() if file.exists() else ""


Stage = Callable[[Started, Home], bool]
STAGES: dict[str, Stage] = {
    "opening": lambda command, home: (home.root / "studies/tiny").exists(),
    "training": lambda command, home: "base complete" in command.stderr,
    "confirming": lambda command, home: "search ended by" in command.stderr,
    "confirmed": lambda command, home: "confirmed " in command.stderr,
    "sending": lambda command, home: '"status": "FINISHED"' in outbox_of(home),
}


def test_signals_at_every_stage_end_in_order(tmp_path: Path) -> None:
    home, file = new_home(tmp_path), write_tiny(tmp_path, TINY + "confirm: {top_k: 1, repeats: 2}\n")
    command = ["run", str(file), "--home", str(home.root), *SHORT]
    signals = cycle([signal.SIGTERM, signal.SIGINT])

    for stage in STAGES if THOROUGH else ("sending",):
        running = start(*command, folder=tmp_path)
        running.wait_for(partial(STAGES[stage], running, home))
        code = running.end(next(signals))
        assert code == 130, (stage, running.stderr)
        assert "Traceback" not in running.stderr, stage
        assert "interrupted. The same command resumes." in running.stderr, stage

    resumed = CliRunner().invoke(app, command)
    assert resumed.exit_code == 0, resumed.output
    assert_all_is_there(home, confirmed=2)


# -- workers that are killed -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not THOROUGH, reason="takes half a minute; execution/test_pool.py kills workers every time")
def test_a_study_whose_workers_are_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    home, file = new_home(tmp_path), write_tiny(tmp_path)
    pool = ["--executor", "pool", "--slots", "2", "--set", "train.epochs=10000"]
    moments = random.Random(5)
    running = start("run", file, "--home", home.root, *SHORT, *pool, folder=tmp_path)

    try:
        running.wait_for(lambda: "base complete" in running.stderr)
        for kills in range(1, 5):
            time.sleep(moments.uniform(0.0, 0.5))
            moments.choice(workers_of(running)).kill()
            running.wait_for(lambda kills=kills: running.stderr.count("runs again") >= kills)  # type: ignore[misc]
        assert running.process.wait(timeout=100) == 0, running.stderr
    finally:
        running.process.kill()

    assert "runs again: its process ended with SIGKILL" in running.stderr
    assert_all_is_there(home)


def workers_of(command: Started) -> list[psutil.Process]:
    """The processes of the pool."""
    found = psutil.Process(command.process.pid).children()
    alive = [child for child in found if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "spawn_main" in " ".join(child.cmdline())]
