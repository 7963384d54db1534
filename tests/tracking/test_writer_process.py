"""The writer as the coordinator sees it, where it does not go well."""

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home
from fer_sweep.study.lock import writer_lock
from fer_sweep.study.study import run_study
from fer_sweep.tracking import writer_process as module
from fer_sweep.tracking.address import store_of
from fer_sweep.tracking.recorder import Recorder
from fer_sweep.tracking.writer import NICENESS
from fer_sweep.tracking.writer_process import WriterProcess
from tests.study.studies import inline, opened, sweep
from tests.tracking.studies import children_of, new_home, recorded


def pid_of(writer: WriterProcess) -> int:
    return writer._process.pid


def test_a_store_that_does_not_answer_is_told_before_training(tmp_path: Path) -> None:
    home = Home(tmp_path)

    with (
        WriterProcess(store_of(f"sqlite:///{tmp_path}", home), home) as writer,
        pytest.raises(TrackingError, match=r"the MLflow store sqlite:///.* does not answer: "),
    ):
        writer.follow("tiny")


def test_a_writer_that_dies_before_it_is_ready_is_told(tmp_path: Path) -> None:
    home = new_home(tmp_path)

    with WriterProcess(store_of(None, home), home) as writer:
        os.kill(pid_of(writer), signal.SIGKILL)
        with pytest.raises(TrackingError) as caught:
            writer.follow("tiny")

    assert str(caught.value) == (
        "the process that writes to MLflow ended with exit code -9 before it was ready. Run with --offline and send "
        "everything later with fer-sweep sync."
    )


def test_the_writer_stands_back_behind_the_training(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")

    with recorded(tmp_path) as study, WriterProcess(store_of(None, home), home) as writer:
        writer.follow(study.name)
        pid = pid_of(writer)

        assert os.getpriority(os.PRIO_PROCESS, pid) - os.getpriority(os.PRIO_PROCESS, 0) == NICENESS
        assert os.getsid(pid) == os.getsid(0)  # niceness counts for nothing between two sessions
        assert os.getpgid(pid) == pid  # Ctrl-C in the terminal is not for the writer


def test_a_store_that_hangs_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READY_SECONDS", 0.0)
    home = new_home(tmp_path)

    with WriterProcess(store_of(None, home), home) as writer:
        with pytest.raises(TrackingError, match=r"mlflow\.db has not answered within 0 s\. Start it anew, or run with"):
            writer.follow("tiny")
        pid = pid_of(writer)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_writer_killed_at_the_end_is_replaced_and_at_last_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_RESTARTS", 1)
    home = new_home(tmp_path)
    with opened(sweep(run_cap=1), home.root) as study, WriterProcess(store_of(None, home), home) as writer:
        with Recorder(study, provenance={}) as recorder:
            writer.follow("tiny")
            os.kill(pid_of(writer), signal.SIGKILL)
            with closing(run_study(study, executor=inline(study.samples))) as events:
                for event in events:
                    recorder.record(event)

        assert [message["state"] for message in writer.finish()][-1] == "done"
        assert set(children_of(home)) == {("search", 0)}
        assert list(writer.finish())[-1]["state"] == "done"  # saying it twice harms nobody


def test_a_writer_that_dies_again_and_again_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RESTARTS", 0)
    home = new_home(tmp_path)
    with opened(sweep(run_cap=1), home.root) as study, WriterProcess(store_of(None, home), home) as writer:
        with Recorder(study, provenance={}):
            writer.follow("tiny")
        os.kill(pid_of(writer), signal.SIGKILL)

        assert list(writer.finish())[-1] == {
            "state": "failed",
            "why": "the process that writes to MLflow ended with exit code -9.",
        }


def test_one_writer_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = new_home(tmp_path)
    monkeypatch.setattr(module, "READY_SECONDS", 8.0)
    with (
        opened(sweep(run_cap=1), home.root) as study,
        Recorder(study, provenance={}),
        writer_lock("tiny", study.files, timeout=0.0),
        WriterProcess(store_of(None, home), home) as writer,
        pytest.raises(TrackingError, match="has not answered within 8 s"),
    ):
        writer.follow("tiny")
