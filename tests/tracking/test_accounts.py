"""A server with passwords, open to the network, as clients, strangers and the doctor see it."""

import re
import signal
import sqlite3
import stat
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

import psutil
import pytest

from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home
from fer_sweep.tracking import accounts
from fer_sweep.tracking.accounts import prepare_accounts
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.client import open_client
from fer_sweep.tracking.diagnosis.servers import server, servers_here
from fer_sweep.tracking.probe import ask
from tests.cli.commands import Started, fer_sweep, start
from tests.tracking.studies import new_home, write_tiny
from tests.tracking.test_client import free_port


@dataclass(frozen=True)
class Guarded:
    """A server that listens everywhere, knows one name, and asks for passwords."""

    home: Home
    command: Started
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    pytest.importorskip("flask_wtf")
    folder = tmp_path_factory.mktemp("guarded")
    home, port = new_home(folder), free_port()
    command = start(
        "serve", "--home", home.root, "--port", port, "--host", "0.0.0.0", "--auth",
        "--allowed-host", "tracking.example.org", folder=folder,
    )  # fmt: skip
    try:
        command.wait_for(lambda: "MLflow is up" in command.stdout, seconds=120)
        (password,) = re.findall(r"^User admin, password (\S+)$", command.stdout, re.MULTILINE)
        yield Guarded(home, command, port, password)
    finally:
        with suppress(ProcessLookupError):
            command.end(signal.SIGTERM)


@pytest.fixture
def as_admin(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a client of the server needs."""
    variables = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": guarded.password}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def test_the_password_is_shown_once_and_kept_nowhere_in_plain(guarded: Guarded) -> None:
    assert len(guarded.password) == 24
    assert "It is shown this once and kept nowhere: note it now." in guarded.command.stdout
    for file in guarded.home.root.rglob("*"):
        assert not file.is_file() or guarded.password.encode() not in file.read_bytes()
    for process in psutil.Process(guarded.command.process.pid).children(recursive=True):
        assert guarded.password not in " ".join([*process.cmdline(), *process.environ().values()])


def test_only_the_owner_can_read_users_and_keys(guarded: Guarded) -> None:
    folder = guarded.home.auth
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}

    assert modes == {"auth": 0o700, "auth.ini": 0o600, "secret_key": 0o600, "users.db": 0o600}
    assert "auth_cache_ttl_seconds = 60" in (folder / "auth.ini").read_text()


def test_only_who_knows_the_password_is_let_in(guarded: Guarded) -> None:
    assert ask(guarded.url).verdict == "unauthorized"
    assert ask(guarded.url, credentials=("admin", "password1234")).verdict == "unauthorized"
    assert ask(guarded.url, credentials=("admin", guarded.password)).verdict == "answers"


@pytest.mark.usefixtures("as_admin")
def test_a_client_that_calls_by_another_name_is_told_which_option_the_server_needs(guarded: Guarded) -> None:
    store = Store(f"http://127.0.0.2:{guarded.port}", None)

    with pytest.raises(TrackingError, match=r"by the name 127\.0\.0\.2 \(403.* fer-sweep serve --allowed-host 127\.0"):
        open_client(store)
    assert [f.found for f in server(store)] == ["does not know itself by the name 127.0.0.2 (403, Invalid Host header)"]


def test_a_client_without_a_password_is_told_which_variables_to_set(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    with pytest.raises(TrackingError, match=r"asks for a user and a password \(401\)\. Set MLFLOW_TRACKING_USERNAME"):
        open_client(Store(guarded.url, None))

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    with pytest.raises(TrackingError, match=r"does not accept user 'admin' with this password \(401\)\. Correct"):
        open_client(Store(guarded.url, None))


def test_the_page_of_a_named_host_may_write_and_a_foreign_one_may_not(guarded: Guarded) -> None:
    def status(origin: str) -> int:
        headers = {"Host": f"tracking.example.org:{guarded.port}", "Origin": origin, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{guarded.url}/api/2.0/mlflow/runs/search", b"{}", headers)
        with pytest.raises(HTTPError) as answer:
            urllib.request.urlopen(request, timeout=20)
        answer.value.close()
        return answer.value.code

    assert status(f"http://tracking.example.org:{guarded.port}") == 401  # it is listened to, and asked for a password
    assert status("http://evil.example.org") == 403


def test_a_sweep_is_tracked_by_a_server_with_passwords(
    guarded: Guarded, as_admin: dict[str, str], tmp_path: Path
) -> None:
    run = ["run", write_tiny(tmp_path), "--home", tmp_path / "home", "--tracking-uri", guarded.url]
    short = ["--set", "run_cap=1", "--set", "train.epochs=6"]

    done = fer_sweep(*run, *short, **as_admin)

    assert done.returncode == 0, done.stderr
    client = open_client(Store(guarded.url, None))
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    assert {run.info.status for run in client.search_runs([experiment.experiment_id])} == {"FINISHED"}
    sync = ["sync", "--home", tmp_path / "home", "--tracking-uri", guarded.url]
    assert "has everything already" in fer_sweep(*sync, **as_admin).stdout.replace("\n", " ")
    refused = fer_sweep(*sync, **{**as_admin, "MLFLOW_TRACKING_PASSWORD": "wrong"})
    assert refused.returncode == 4
    assert "error: the MLflow server" in refused.stderr
    assert "does not accept user 'admin' with this password" in refused.stderr


@pytest.mark.usefixtures("as_admin")
def test_the_doctor_finds_nothing_wrong_with_it(guarded: Guarded) -> None:
    found = [(finding.level, finding.found) for finding in server(Store(guarded.url, None))]

    assert found == [
        ("ok", "answers a question to its database"),
        ("ok", "accepts none of the well-known passwords"),
    ]
    assert [f for f in servers_here() if f.subject.endswith(f":{guarded.port}")] == []


def test_the_second_start_keeps_the_password_and_a_new_one_replaces_it(guarded: Guarded) -> None:
    """Last but one: the password of the fixture is good no more."""
    kept = prepare_accounts(guarded.home)
    assert kept.password is None

    new = prepare_accounts(guarded.home, renew=True)

    assert new.password not in (None, guarded.password)
    assert new.secret_key == kept.secret_key
    assert ask(guarded.url, credentials=("admin", str(new.password))).verdict == "answers"


def test_users_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    pytest.importorskip("flask_wtf")
    home = Home(tmp_path)
    home.auth.mkdir()
    (home.auth / "users.db").write_text("this is no database" * 100)

    with pytest.raises(TrackingError, match=r"the users in .*users\.db cannot be read: file is not a database\."):
        prepare_accounts(home)


def test_a_user_database_without_tables_has_no_administrator(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "users.db")):
        assert not accounts._has_admin(tmp_path / "users.db")


def test_without_mlflows_part_for_it_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    with pytest.raises(TrackingError, match=r"--auth needs a part .* pip install 'mlflow\[auth\]'"):
        prepare_accounts(Home(tmp_path))

    assert not Home(tmp_path).auth.exists()
