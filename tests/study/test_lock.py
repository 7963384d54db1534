"""One coordinator per study, whatever happens to it."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fer_sweep.errors import StudyError
from fer_sweep.study.home import Home, StudyFiles
from fer_sweep.study.lock import coordinator_lock, writer_lock

HOLD = """
import sys, time
from pathlib import Path
from fer_sweep.study.home import Home
from fer_sweep.study.lock import coordinator_lock
with coordinator_lock("tiny", Home(Path(sys.argv[1])).study("tiny")):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def files(tmp_path: Path) -> StudyFiles:
    return Home(tmp_path).study("tiny")


def test_a_second_coordinator_is_refused_and_told_who_holds_the_study(files: StudyFiles) -> None:
    with coordinator_lock("tiny", files):
        with pytest.raises(StudyError) as refused, coordinator_lock("tiny", files):
            pass
        message = str(refused.value)
    assert message.startswith(
        f"study 'tiny' is already being run by process {os.getpid()} on {socket.gethostname()} since 20"
    )
    assert message.endswith(
        "One study has one coordinator: wait until it is done, stop it, or run this file under another name "
        "(--set name=...)."
    )


@pytest.mark.parametrize("note", [None, "", "[]", '{"pid": 1}', "\x00"])
def test_a_holder_that_has_not_signed_is_another_process(files: StudyFiles, note: str | None) -> None:
    with coordinator_lock("tiny", files):
        files.holder.unlink()
        if note is not None:
            files.holder.write_text(note)
        with pytest.raises(StudyError, match="is already being run by another process"):
            coordinator_lock("tiny", files).__enter__()


def test_the_lock_is_free_afterwards_and_leaves_no_note(files: StudyFiles) -> None:
    with coordinator_lock("tiny", files):
        assert files.holder.exists()
    assert not files.holder.exists()
    with coordinator_lock("tiny", files):
        pass


def test_two_studies_do_not_disturb_each_other(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with coordinator_lock("one", home.study("one")), coordinator_lock("two", home.study("two")):
        pass


def test_the_lock_of_a_killed_coordinator_is_free(files: StudyFiles, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(StudyError, match=f"process {holder.pid} on "), coordinator_lock("tiny", files):
                pass
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.wait()
    with coordinator_lock("tiny", files):
        pass


def test_two_processes_do_not_send_the_same_outbox(files: StudyFiles) -> None:
    with (
        writer_lock("tiny", files, timeout=0.0),
        pytest.raises(StudyError) as refused,
        writer_lock("tiny", files, timeout=0.1),
    ):
        pass
    assert str(refused.value) == (
        "another process is sending the outbox of study 'tiny' to MLflow. Wait until it is done, or stop it: what it "
        "has not sent, the next one sends."
    )
    with writer_lock("tiny", files, timeout=0.0):
        pass
