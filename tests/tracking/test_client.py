import socket
import time
from pathlib import Path

import pytest

from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home
from fer_sweep.tracking.address import store_of
from fer_sweep.tracking.client import experiment_id, open_client
from tests.tracking.proxy import Mode, proxy_to
from tests.tracking.studies import new_home


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.mlflow_file.write_text("this is not a database, but it is long enough to be taken for one" * 20)

    with pytest.raises(TrackingError, match=r"mlflow\.db does not answer: .*file is not a database"):
        open_client(store_of(None, home))


def test_a_database_that_cannot_be_used_is_told_without_its_password(tmp_path: Path) -> None:
    uri = "postgresql+nosuchdriver://user:secret@somewhere/db"

    with pytest.raises(TrackingError, match=r"(does not answer|refuses): .*correct --tracking-uri") as caught:
        open_client(store_of(uri, Home(tmp_path)))

    assert "secret" not in str(caught.value)


def test_an_unreachable_server_is_given_up_soon(tmp_path: Path) -> None:
    begun = time.monotonic()

    why = r"the MLflow store http://127\.0\.0\.1:\d+ does not answer: connection refused\. Start it"
    with pytest.raises(TrackingError, match=why):
        open_client(store_of(f"http://127.0.0.1:{free_port()}", Home(tmp_path)))

    assert time.monotonic() - begun < 25


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("500", "too many 500 error responses"),
        ("hang", "no answer within 1 s"),
        ("lose answers", "remote end closed connection without response"),
    ],
)
def test_the_reason_for_no_answer_is_told_in_a_few_words(
    mode: Mode, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with proxy_to("data:,") as proxy:  # answers everything with nothing
        proxy.mode = mode

        with pytest.raises(TrackingError, match=rf" does not answer: {why}\. Start it"):
            open_client(store_of(proxy.url, Home(tmp_path)))


def test_a_name_that_nobody_knows_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r" does not answer: [a-z ]*name [a-z ]+\. Start it"):
        open_client(store_of("http://no-such-host.invalid:5000", Home(tmp_path)))


def test_experiments_keep_their_files_in_the_home_even_with_odd_characters(tmp_path: Path) -> None:
    folder = tmp_path / "my 100% ünusual folder"
    folder.mkdir()
    home = new_home(folder)
    client = open_client(store_of(None, home))
    run = client.create_run(experiment_id(client, "odd", home.artifacts))
    client.log_text(run.info.run_id, "hello", "hello.txt")

    assert [path.read_text() for path in home.artifacts.rglob("hello.txt")] == ["hello"]
    assert experiment_id(client, "odd", home.artifacts) == run.info.experiment_id


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
