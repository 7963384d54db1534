"""What becomes of a sweep when the MLflow server dies, hangs, answers with errors, or loses its answers: nothing."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest
from mlflow import MlflowClient

from fer_sweep.study.home import Home
from tests.cli.commands import environment, fer_sweep, start
from tests.tracking.proxy import Mode, Proxy, proxy_to, wait_for
from tests.tracking.studies import new_home, write_tiny
from tests.tracking.test_client import free_port

SHORT = ["--set", "run_cap=4", "--set", "resources.trials_at_once=1", "--set", "train.epochs=300"]
QUICK = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "2", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
TIMED = ("seconds",)
"""Metrics that differ between any two runs."""

Content = dict[tuple[str, str], object]


@contextmanager
def mlflow_server(home: Home, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A real server on a home's store."""
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{home.mlflow_file}", "--artifacts-destination", str(home.artifacts),
    ]  # fmt: skip
    extra = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": "ignore",
    }
    process = subprocess.Popen(
        command, env=environment(**extra), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for(lambda: answers(port))
        yield process
    finally:
        kill(process)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except URLError:
        return False


def kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def server_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return new_home(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def server(server_home: Home) -> Iterator[str]:
    port = free_port()
    with mlflow_server(server_home, port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with proxy_to(server) as proxy:
        yield proxy


def content(client: MlflowClient, folder: Path, name: str) -> Content:
    """All that a store holds of a study, without times: statuses, params, points, and files by their hash."""
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    found: Content = {}
    for run in client.search_runs([experiment.experiment_id]):
        label = run.info.run_name.replace(name, "the study")
        assert (label, "status") not in found, f"{label} exists twice"
        found[label, "status"] = run.info.status
        found[label, "params"] = dict(run.data.params) | {"name": ""}
        for key in run.data.metrics:
            if key not in TIMED:
                points = client.get_metric_history(run.info.run_id, key)
                found[label, key] = sorted((point.step, point.value) for point in points)
        local = Path(client.download_artifacts(run.info.run_id, "", str(new_folder(folder))))
        for file in sorted(local.rglob("*")):
            if file.is_file():
                timed = file.name in ("trials.csv", "sweep.yaml", "config.yaml", "answer.txt")
                found[label, file.name] = "" if timed else hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def new_folder(folder: Path) -> Path:
    path = folder / f"d{len(list(folder.iterdir()))}"
    path.mkdir()
    return path


@pytest.fixture(scope="module")
def undisturbed(server: str, tmp_path_factory: pytest.TempPathFactory) -> Content:
    folder = tmp_path_factory.mktemp("undisturbed")
    done = fer_sweep("run", write_tiny(folder), "--home", folder / "home", "--tracking-uri", server,
                     "--set", "name=undisturbed", *SHORT)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return content(MlflowClient(server), folder, "undisturbed")


def test_a_server_in_trouble_costs_nothing_but_its_own_time(
    undisturbed: Content, proxy: Proxy, server: str, tmp_path: Path
) -> None:
    command = start("run", write_tiny(tmp_path), "--home", tmp_path / "home", "--tracking-uri", proxy.url,
                    "--set", "name=troubled", *SHORT, folder=tmp_path, extra=QUICK)  # fmt: skip
    command.wait_for(lambda: "base complete" in command.stderr)

    troubles: tuple[Mode, ...] = ("500", "lose answers", "hang")
    for times, mode in enumerate(troubles, 1):
        proxy.disturbed = 0
        proxy.mode = mode
        command.wait_for(lambda: proxy.disturbed >= 2)
        proxy.mode = "pass"
        proxy.woken.set()
        if mode != troubles[-1]:
            command.wait_for(lambda: command.stderr.count("MLflow answers again") == times)  # noqa: B023

    assert command.process.wait(timeout=120) == 0, command.stderr
    assert command.stderr.count("warning: the MLflow store") == len(troubles)
    assert content(MlflowClient(server), tmp_path, "troubled") == undisturbed


def test_a_server_that_stays_away_leaves_everything_to_sync(
    undisturbed: Content, proxy: Proxy, server: str, tmp_path: Path
) -> None:
    file, home = write_tiny(tmp_path), Home(tmp_path / "home")
    run = ["run", file, "--home", home.root, "--tracking-uri", proxy.url, "--set", "name=away", *SHORT]
    command = start(*run, folder=tmp_path, extra=QUICK)
    command.wait_for(lambda: "base complete" in command.stderr)
    proxy.mode = "500"

    assert command.process.wait(timeout=120) == 4
    assert "could not be written to MLflow" in command.stderr
    assert f"Nothing is lost: fer-sweep sync away --home {home.root} sends them." in command.stderr
    assert "Best of the search" in command.stdout.replace("\n", " ")
    refused = fer_sweep("sync", "--home", home.root, "--tracking-uri", proxy.url, **QUICK)
    assert refused.returncode == 4
    proxy.mode = "pass"
    synced = fer_sweep("sync", "--home", home.root, "--tracking-uri", proxy.url, "--json")

    assert synced.returncode == 0, synced.stderr
    (report,) = json.loads(synced.stdout)
    assert (report["study"], report["left"], report["problem"]) == ("away", 0, "")
    assert report["written"] > 0
    assert content(MlflowClient(server), tmp_path, "away") == undisturbed
    again = fer_sweep("sync", "away", "--home", home.root, "--tracking-uri", proxy.url)
    assert "has everything already" in again.stdout.replace("\n", " ")


def test_kill_9_of_sweep_and_server_and_a_new_server_lose_nothing(undisturbed: Content, tmp_path: Path) -> None:
    home, port = new_home(tmp_path), free_port()
    file, uri = write_tiny(tmp_path), f"http://127.0.0.1:{port}"
    run = ["run", file, "--home", tmp_path / "mine", "--tracking-uri", uri, "--set", "name=killed", *SHORT]
    with mlflow_server(home, port) as server:
        command = start(*run, folder=tmp_path, extra=QUICK)
        command.wait_for(lambda: "base complete" in command.stderr)
        kill(server)
        command.wait_for(lambda: "trial 2 complete" in command.stderr)
        command.end(signal.SIGKILL)
    offline = fer_sweep(*run[:4], "--offline", "--set", "name=killed", *SHORT)
    assert offline.returncode == 0, offline.stderr
    assert "It is not in MLflow yet. Send it: fer-sweep sync killed" in offline.stdout.replace("\n", " ")

    with mlflow_server(home, port):
        synced = fer_sweep("sync", "--home", tmp_path / "mine", "--tracking-uri", uri)

        assert synced.returncode == 0, synced.stderr
        assert content(MlflowClient(uri), tmp_path, "killed") == undisturbed


def test_a_writer_that_dies_is_replaced(undisturbed: Content, server: str, tmp_path: Path) -> None:
    command = start("run", write_tiny(tmp_path), "--home", tmp_path / "home", "--tracking-uri", server,
                    "--set", "name=replaced", *SHORT, folder=tmp_path)  # fmt: skip
    command.wait_for(lambda: "base complete" in command.stderr)
    children = subprocess.run(["pgrep", "-P", str(command.process.pid)], capture_output=True, text=True, check=True)
    for pid in children.stdout.split():
        os.kill(int(pid), signal.SIGKILL)

    assert command.process.wait(timeout=120) == 0, command.stderr
    assert "ended with exit code -9; a new one goes on" in command.stderr
    assert content(MlflowClient(server), tmp_path, "replaced") == undisturbed


def test_ctrl_c_while_the_server_hangs_ends_soon(proxy: Proxy, tmp_path: Path) -> None:
    command = start("run", write_tiny(tmp_path), "--home", tmp_path / "home", "--tracking-uri", proxy.url,
                    "--set", "name=hanging", *SHORT, folder=tmp_path, extra=QUICK)  # fmt: skip
    command.wait_for(lambda: "base complete" in command.stderr)
    proxy.mode = "hang"
    command.wait_for(lambda: "trial 2 complete" in command.stderr)
    begun = time.monotonic()

    assert command.end(signal.SIGINT) == 130
    assert time.monotonic() - begun < 30
    assert "fer-sweep sync hanging" in command.stderr
