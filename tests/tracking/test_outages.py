"""What becomes of a sweep when the MLflow server dies, hangs, answers with errors, or loses its answers: nothing."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.outages import Server, content
from fer_sweep.study.home import Home
from tests.cli.commands import fer_sweep, start
from tests.tracking.proxy import Mode, Proxy, proxy_to
from tests.tracking.studies import new_home, runs_of, write_tiny

SHORT = ["--set", "run_cap=3", "--set", "resources.trials_at_once=1", "--set", "train.epochs=300"]
QUICK = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "2", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
Content = dict[tuple[str, str], object]


@contextmanager
def served(home: Home) -> Iterator[Server]:
    """A real server on a home's store; it may be killed."""
    server = Server(home.root)
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def server_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return new_home(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def server(server_home: Home) -> Iterator[str]:
    with served(server_home) as server:
        yield server.url


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with proxy_to(server) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def undisturbed_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Of a sweep that nothing happens to."""
    home = new_home(tmp_path_factory.mktemp("undisturbed"))
    done = fer_sweep("run", write_tiny(home.root), "--home", home.root, "--set", "name=undisturbed", *SHORT)
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture(scope="module")
def undisturbed(undisturbed_home: Home) -> Content:
    """What it leaves in its local store."""
    return content(undisturbed_home.root, "undisturbed")


def test_a_writer_that_dies_and_a_server_in_trouble_cost_nothing_but_their_own_time(
    undisturbed: Content, proxy: Proxy, server_home: Home, tmp_path: Path
) -> None:
    command = start("run", write_tiny(tmp_path), "--home", tmp_path / "home", "--tracking-uri", proxy.url,
                    "--set", "name=troubled", *SHORT, folder=tmp_path, extra=QUICK)  # fmt: skip
    command.wait_for(lambda: "base complete" in command.stderr)

    children = subprocess.run(["pgrep", "-P", str(command.process.pid)], capture_output=True, text=True, check=True)
    for pid in children.stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    command.wait_for(lambda: "ended with exit code -9; a new one goes on" in command.stderr)
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
    assert content(server_home.root, "troubled") == undisturbed


def test_a_server_that_stays_away_leaves_everything_to_sync(
    undisturbed: Content, proxy: Proxy, server_home: Home, tmp_path: Path
) -> None:
    file, home = write_tiny(tmp_path), Home(tmp_path / "home")
    run = ["run", file, "--home", home.root, "--tracking-uri", proxy.url, "--set", "name=away", *SHORT]
    command = start(*run, folder=tmp_path, extra=QUICK)
    command.wait_for(lambda: "base complete" in command.stderr)
    proxy.mode = "500"

    assert command.process.wait(timeout=120) == 4
    assert "could not be written to MLflow" in command.stderr
    remedy = f"fer-sweep sync away --home {home.root} --tracking-uri {proxy.url}"
    assert f"Nothing is lost: {remedy} sends them." in command.stderr
    assert "Best of the search" in command.stdout.replace("\n", " ")
    refused = fer_sweep("sync", "--home", home.root, "--tracking-uri", proxy.url, **QUICK)
    assert refused.returncode == 4
    proxy.mode = "pass"
    synced = fer_sweep("sync", "--home", home.root, "--tracking-uri", proxy.url, "--json")

    assert synced.returncode == 0, synced.stderr
    (report,) = json.loads(synced.stdout)
    assert (report["study"], report["left"], report["problem"]) == ("away", 0, "")
    assert report["written"] > 0
    assert content(server_home.root, "away") == undisturbed


def test_runs_that_the_server_creates_late_leave_no_second_ones(
    undisturbed_home: Home, undisturbed: Content, proxy: Proxy, server_home: Home
) -> None:
    proxy.late = 1, 3  # the study's run, and one of a trial

    synced = fer_sweep("sync", "--home", undisturbed_home.root, "--tracking-uri", proxy.url, **QUICK)

    assert synced.returncode == 0, synced.stderr
    assert content(server_home.root, "undisturbed") == undisturbed
    assert len(runs_of(server_home, "undisturbed")) == proxy.creates - 2


def test_a_study_that_goes_on_while_the_server_is_away_goes_on(
    undisturbed: Content, proxy: Proxy, server_home: Home, tmp_path: Path
) -> None:
    command = ["run", write_tiny(tmp_path), "--home", tmp_path / "home", "--tracking-uri", proxy.url,
               "--set", "name=later", *SHORT]  # fmt: skip
    first = fer_sweep(*command, "--set", "run_cap=1", **QUICK)
    assert first.returncode == 0, first.stderr
    proxy.mode = "500"
    fresh = fer_sweep(*command, "--set", "name=fresh", **QUICK)
    on = start(*command, folder=tmp_path, extra=QUICK)
    on.wait_for(lambda: "trial 1 complete" in on.stderr)
    proxy.mode = "pass"

    assert fresh.returncode == 4  # nobody knows whether that store was ever there
    assert on.process.wait(timeout=120) == 0, on.stderr
    assert f"warning: the MLflow store {proxy.url} does not answer: " in on.stderr
    assert "The study goes on without it." in on.stderr
    assert content(server_home.root, "later") == undisturbed


def test_kill_9_of_sweep_and_server_and_a_new_server_lose_nothing(undisturbed: Content, tmp_path: Path) -> None:
    home, file = new_home(tmp_path), write_tiny(tmp_path)
    with served(home) as server:
        run = ["run", file, "--home", tmp_path / "mine", "--tracking-uri", server.url, "--set", "name=killed", *SHORT]
        command = start(*run, folder=tmp_path, extra=QUICK)
        command.wait_for(lambda: "base complete" in command.stderr)
        server.kill()
        command.wait_for(lambda: "trial 1 complete" in command.stderr)
        command.end(signal.SIGKILL)
    offline = fer_sweep(*run[:4], "--offline", "--set", "name=killed", *SHORT)
    assert offline.returncode == 0, offline.stderr
    assert "It is not in MLflow yet. Send it: fer-sweep sync killed" in offline.stdout.replace("\n", " ")

    with served(home) as server:
        synced = fer_sweep("sync", "--home", tmp_path / "mine", "--tracking-uri", server.url)
    assert synced.returncode == 0, synced.stderr
    assert content(home.root, "killed") == undisturbed


def test_ctrl_c_while_the_server_hangs_ends_soon(proxy: Proxy, tmp_path: Path) -> None:
    command = start("run", write_tiny(tmp_path), "--home", tmp_path / "home", "--tracking-uri", proxy.url,
                    "--set", "name=hanging", *SHORT, folder=tmp_path, extra=QUICK)  # fmt: skip
    command.wait_for(lambda: "base complete" in command.stderr)
    proxy.mode = "hang"
    command.wait_for(lambda: "trial 1 complete" in command.stderr)
    begun = time.monotonic()

    assert command.end(signal.SIGINT) == 130
    assert time.monotonic() - begun < 30
    assert "fer-sweep sync hanging" in command.stderr
    assert " to go; Ctrl-C leaves them to fer-sweep sync" in command.stderr  # a pipe shows no status
