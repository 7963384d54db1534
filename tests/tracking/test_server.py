import json
import re
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from mlflow.entities import Run

from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home
from fer_sweep.study.study import open_study
from fer_sweep.tracking.server import running_server
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
