import errno
import json
import os
import re
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote

import psutil
import pytest
from mlflow.entities import Run

from fer_sweep.cli.serve import ServeOptions, serve_store
from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home
from fer_sweep.study.study import open_study
from fer_sweep.tracking import server
from fer_sweep.tracking.server import Serving, require_guard, require_port, running_server, server_environment
from tests.cli.commands import Started, start
from tests.tracking.browser import Page, installed, look
from tests.tracking.studies import (
    children_of,
    client_of,
    finish,
    follow,
    new_home,
    parent_of,
    tiny,
    tracker_of,
)
from tests.tracking.test_client import free_port

TRAINING = "workflowType=machine_learning"
"""Otherwise the UI surrounds runs with its pages for language models."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("served")
    home = new_home(folder)
    spec, samples = tiny(folder, ["run_cap=2", "train.epochs=40"])
    with open_study(spec, samples, home) as study:
        tracker = tracker_of(study, home)
        finish(study, tracker, follow(study, tracker))
    client, best = client_of(home), children_of(home)["search", 1]
    client.create_registered_model("tiny-faces", description="Faces of people never seen before.")
    client.create_model_version("tiny-faces", best.info.artifact_uri, best.info.run_id, description="It was better.")
    client.set_registered_model_alias("tiny-faces", "champion", "1")
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


def serving_of(uri: str, folder: Path, *, port: int = 1, allowed_hosts: tuple[str, ...] = ()) -> Serving:
    return Serving(uri, folder.as_uri(), "127.0.0.1", port, allowed_hosts, 1, None, folder / "server.log")


def options(*, port: int, store_uri: str | None = None, upgrade: bool = False) -> ServeOptions:
    return ServeOptions(store_uri, None, "127.0.0.1", port, (), 1, None, new_password=False, upgrade=upgrade)


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
        assert "Ended by run_cap: 2 trials." in answer.read().decode()


@pytest.fixture(scope="module")
def window(served: tuple[Started, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Page]:
    """Opens a page of the shared server."""
    if not installed():
        pytest.skip("chromium is not installed")
    folder = tmp_path_factory.mktemp("browser")
    return lambda path: look(f"{served[1]}/#/{path}", folder)


def artifact_of(home: Home, run: Run, name: str) -> tuple[str, bytes]:
    """(address, content) of a picture of a run."""
    info = run.info
    content = (home.artifacts / "tiny" / info.run_id / "artifacts" / name).read_bytes()
    return f"experiments/{info.experiment_id}/runs/{info.run_id}/artifacts/{name}?{TRAINING}", content


def test_the_page_of_the_study_says_what_was_asked_and_what_was_found(
    served: tuple[Started, str], window: Callable[[str], Page]
) -> None:
    address = re.findall(r"tiny: \S+/#/(\S+)", served[0].stdout)[0]

    page = window(address)

    for text in ("tiny", "Is it tracked?", "Best of the search", "trial 1", "base", "search/best_so_far"):
        assert text in page.dom


def test_the_page_of_a_trial_says_how_it_did_and_shows_searched_parameters_first(
    home: Home, window: Callable[[str], Page]
) -> None:
    info = children_of(home)["search", 1].info

    page = window(f"experiments/{info.experiment_id}/runs/{info.run_id}?{TRAINING}").dom

    assert re.search(r"complete: accuracy \d+\.\d\d ± \d+\.\d\d % \(n = 4 networks\)", page)
    assert "removal.alpha=0." in page
    assert 0 < page.index(">objective<") < page.index(">test/accuracy<") < page.index(">epoch/train_loss<")
    parameters = page[page.index("Search parameters") :]
    assert 0 < parameters.index(">train.learning_rate<") < parameters.index(">data.source<")


@pytest.mark.parametrize("name", ["loss_histograms_by_trial.png", "slices.png"])
def test_the_pictures_of_a_study_are_shown_large_enough_to_be_read(
    home: Home, window: Callable[[str], Page], name: str
) -> None:
    address, picture = artifact_of(home, parent_of(home), name)

    assert window(address).scale_of(picture) > 0.7


@pytest.mark.parametrize("name", ["confusion.png", "training_curves.png"])
def test_the_pictures_of_a_trial_are_shown_large_enough_to_be_read(
    home: Home, window: Callable[[str], Page], name: str
) -> None:
    address, picture = artifact_of(home, children_of(home)["search", 1], name)

    assert window(address).scale_of(picture) > 0.6


def test_the_page_that_compares_two_trials_shows_their_settings_and_results(
    home: Home, window: Callable[[str], Page]
) -> None:
    runs = [children_of(home)["search", number] for number in (0, 1)]
    named = quote(json.dumps([run.info.run_id for run in runs]))

    experiments = quote(json.dumps([runs[0].info.experiment_id]))
    page = window(f"compare-runs?runs={named}&experiments={experiments}&{TRAINING}").dom

    for run in runs:
        assert f">{run.info.run_name}<" in page
        assert run.data.params["train.learning_rate"] in page
        assert f"{run.data.metrics['objective']:.3f}".rstrip("0") in page
    assert "removal.alpha" in page


def test_the_page_of_a_registered_model_says_what_it_is(window: Callable[[str], Page]) -> None:
    model, version = window("models/tiny-faces").dom, window("models/tiny-faces/versions/1").dom

    assert "Faces of people never seen before." in model
    assert "champion" in model
    assert "It was better." in version
    assert "trial 1" in version


def test_a_port_in_use_is_refused(served: tuple[Started, str]) -> None:
    port = int(served[1].rpartition(":")[2])

    with pytest.raises(TrackingError, match=rf"port {port} on 127.0.0.1 is in use by process \d+ \(an MLflow server\)"):
        require_port("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(TrackingError, match=r"--host 203\.0\.113\.7 is no address of this machine \(.*0\.0\.0\.0"):
        require_port("203.0.113.7", free_port())


def test_a_reserved_port_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_socket: socket.socket, _address: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(socket.socket, "bind", forbidden)

    with pytest.raises(TrackingError, match=r"port 80 is reserved for the system. Choose one from 1024 on with --port"):
        require_port("127.0.0.1", 80)


@pytest.mark.parametrize(
    ("host", "allowed", "auth", "why"),
    [
        ("127.0.0.1", ("*",), None, r"--allowed-host '\*' would let any web page .* Name the hosts"),
        ("0.0.0.0", (), True, r"listens on every address .* Name each: --allowed-host "),
        ("::", (), False, r"listens on every address .* Name each: --allowed-host "),
        ("0.0.0.0", ("box",), None, r"everybody who can reach this machine .* Add --auth, or, .* --no-auth"),
        ("192.0.2.1", (), None, r"everybody who can reach this machine .* Add --auth, or, .* --no-auth"),
    ],
)
def test_nobody_is_let_in_by_accident(host: str, allowed: tuple[str, ...], auth: bool | None, why: str) -> None:
    with pytest.raises(TrackingError, match=why):
        require_guard(host, allowed, auth=auth)


@pytest.mark.parametrize(
    ("host", "allowed", "auth"),
    [("127.0.0.1", (), None), ("::1", (), False), ("0.0.0.0", ("box",), True), ("192.0.2.1", (), False)],
)
def test_who_is_let_in_on_purpose_is_let_in(host: str, allowed: tuple[str, ...], auth: bool | None) -> None:
    require_guard(host, allowed, auth=auth)


def test_the_terminals_own_variables_do_not_weaken_the_server(tmp_path: Path) -> None:
    serving = serving_of(f"sqlite:///{tmp_path}/x.db", tmp_path, allowed_hosts=("box", "proxy.example.org:8443"))
    ambient = {"MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true", "MLFLOW_TRACKING_PASSWORD": "x", "HOME": "/home/me"}

    environment = server_environment(serving, ambient)

    assert environment.keys() & ambient.keys() == {"HOME"}
    hosts = "localhost,localhost:*,127.0.0.1,127.0.0.1:*,[::1],[[]::1]:*,box,box:*,proxy.example.org:8443"
    assert environment["MLFLOW_SERVER_ALLOWED_HOSTS"] == hosts
    origins = environment["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    assert {"http://box:*", "https://box", "https://proxy.example.org:8443"} <= set(origins)
    assert environment["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert environment["MLFLOW_ENABLE_ASSISTANT_SANDBOX"] == "true"
    assert serving.url == "http://127.0.0.1:1"


def test_no_address_of_a_database_is_among_the_arguments(served: tuple[Started, str]) -> None:
    processes = psutil.Process(served[0].process.pid).children(recursive=True)

    arguments = " ".join(argument for process in processes for argument in process.cmdline())

    assert "sqlite:" not in arguments
    assert any("sqlite:" in process.environ()["MLFLOW_BACKEND_STORE_URI"] for process in processes)


def test_a_foreign_host_name_is_refused(served: tuple[Started, str]) -> None:
    request = urllib.request.Request(f"{served[1]}/api/2.0/mlflow/experiments/search?max_results=1")
    request.add_header("Host", "evil.example.org")

    with pytest.raises(HTTPError, match="403") as refused:
        urllib.request.urlopen(request, timeout=20)
    refused.value.close()


def test_a_home_without_a_store_cannot_be_served(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r"there is no MLflow store in .* yet\. Run a sweep first"):
        serve_store(Home(tmp_path), options(port=free_port()))


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("this is no database" * 100)
    serving = serving_of(f"sqlite:///{tmp_path}/x.db", tmp_path, port=free_port())

    failed = r"(?s)ended with exit code \d+ before it was up. Its last words:.*file is not a database"
    with pytest.raises(TrackingError, match=failed), running_server(serving):
        pass


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STARTUP_SECONDS", 1.0)
    serving = serving_of(f"sqlite:///{tmp_path}/x.db", tmp_path, port=free_port())

    failed = r"did not come up within 1 s \(.*refused\)\. Its last words:"
    with pytest.raises(TrackingError, match=failed), running_server(serving):
        pass


def test_a_server_that_dies_later_is_reported(home: Home, tmp_path: Path) -> None:
    command = start("serve", "--home", home.root, "--port", free_port(), folder=tmp_path)
    command.wait_for(lambda: "tiny:" in command.stdout)
    psutil.Process(command.process.pid).children()[0].kill()

    assert command.process.wait(timeout=30) == 4
    assert "error: the MLflow server ended by itself with exit code -9. Its last words:" in command.stderr


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
