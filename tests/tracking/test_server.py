import json
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home
from fer_sweep.study.study import open_study
from fer_sweep.tracking.server import running_server
from tests.cli.commands import Started, start
from tests.tracking.studies import finish, follow, new_home, parent_of, tiny, tracker_of
from tests.tracking.test_client import free_port

BROWSER = [
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=20000",
    "--window-size=1600,1200", "--dump-dom",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("served")
    home = new_home(folder)
    spec, samples = tiny(folder, ["run_cap=1", "train.epochs=6"])
    with open_study(spec, samples, home) as study:
        tracker = tracker_of(study, home)
        finish(study, tracker, follow(study, tracker))
    return home


@pytest.fixture(scope="module")
def served(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Started, str]]:
    """`fer-sweep serve` on a free port, and its address."""
    port = free_port()
    begun = time.monotonic()
    command = start("serve", "--home", home.root, "--port", port, folder=tmp_path_factory.mktemp("serve"))
    try:
        command.wait_for(lambda: "tiny:" in command.stdout, seconds=60)
        print(f"served after {time.monotonic() - begun:.1f} s")
        yield command, f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            command.end(signal.SIGTERM)


def test_the_server_is_up_within_a_minute_with_two_processes(served: tuple[Started, str]) -> None:
    command, url = served

    with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
        assert answer.read() == b"OK"
    assert len(psutil.Process(command.process.pid).children(recursive=True)) == 2
    assert re.search(rf"MLflow is up at {url} after \d+\.\d s", command.stdout)


def test_the_server_shows_the_study(served: tuple[Started, str], home: Home) -> None:
    command, url = served
    experiment, run_id = parent_of(home).info.experiment_id, parent_of(home).info.run_id
    body = json.dumps({"experiment_ids": [experiment], "filter": "tags.`fer.role` = 'study'"}).encode()
    request = urllib.request.Request(f"{url}/api/2.0/mlflow/runs/search", body, {"Content-Type": "application/json"})

    with urllib.request.urlopen(request, timeout=20) as answer:
        (run,) = json.load(answer)["runs"]

    assert run["info"]["run_name"] == "tiny"
    assert f"tiny: {url}/#/experiments/{experiment}/runs/{run_id}?workflowType=machine_learning" in command.stdout
    with urllib.request.urlopen(f"{url}/get-artifact?run_id={run_id}&path=answer.txt", timeout=20) as answer:
        assert "Ended by run_cap: 1 trials." in answer.read().decode()


def test_the_page_of_the_study_opens_in_a_browser(served: tuple[Started, str], tmp_path: Path) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    page = re.findall(r"tiny: (\S+)", served[0].stdout)[0]

    done = subprocess.run(
        [*BROWSER, f"--user-data-dir={tmp_path}", page], capture_output=True, text=True, timeout=90, check=False
    )

    assert "tiny" in done.stdout
    assert "Is it tracked?" in done.stdout


def test_a_port_in_use_is_refused(served: tuple[Started, str], home: Home) -> None:
    port = int(served[1].rpartition(":")[2])

    with (
        pytest.raises(TrackingError, match=rf"port {port} on 127.0.0.1 is in use\. .*--port"),
        running_server(home, port),
    ):
        pass


def test_a_home_without_a_store_cannot_be_served(tmp_path: Path) -> None:
    nothing = r"there is no MLflow store in .* yet\. Run a sweep first"
    with pytest.raises(TrackingError, match=nothing), running_server(Home(tmp_path), 1):
        pass


def test_a_server_that_ends_at_once_is_reported(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.mlflow_file.write_text("this is no database" * 100)

    failed = r"did not come up within 60 s; what it printed above says why"
    with pytest.raises(TrackingError, match=failed), running_server(home, free_port()):
        pass


def test_a_server_that_dies_later_is_reported(home: Home, tmp_path: Path) -> None:
    command = start("serve", "--home", home.root, "--port", free_port(), folder=tmp_path)
    command.wait_for(lambda: "tiny:" in command.stdout)
    psutil.Process(command.process.pid).children()[0].kill()

    assert command.process.wait(timeout=30) == 4
    assert "error: the MLflow server ended by itself with exit code -9" in command.stderr


def test_ctrl_c_ends_the_server_and_its_worker(served: tuple[Started, str]) -> None:
    """Last in this file: it ends the shared server."""
    command, url = served
    children = psutil.Process(command.process.pid).children(recursive=True)

    assert command.end(signal.SIGINT) == 0

    assert "MLflow is down again." in command.stdout
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert (len(gone), alive) == (2, [])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0


def test_sigterm_ends_a_server_that_is_still_starting(home: Home, tmp_path: Path) -> None:
    command = start("serve", "--home", home.root, "--port", free_port(), folder=tmp_path)
    command.wait_for(lambda: len(psutil.Process(command.process.pid).children(recursive=True)) == 2)
    children = psutil.Process(command.process.pid).children(recursive=True)

    assert command.end(signal.SIGTERM) == 0

    assert psutil.wait_procs(children, timeout=5)[1] == []
