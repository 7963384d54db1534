"""Every finding on a project that has just that, and what its repair does."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fer_sweep.cli.app import app
from fer_sweep.errors import StudyError
from fer_sweep.study.database import open_storage
from fer_sweep.study.events import TrialFinished
from fer_sweep.study.home import Home
from fer_sweep.study.lock import coordinator_lock
from fer_sweep.tracking.address import Store, store_of
from fer_sweep.tracking.diagnosis import examination, leftovers
from fer_sweep.tracking.diagnosis.examination import examine, repair
from fer_sweep.tracking.diagnosis.findings import (
    CompleteOutbox,
    DeleteFiles,
    EndStudy,
    Finding,
    Level,
    SendOutbox,
    UpgradeSchema,
)
from fer_sweep.tracking.diagnosis.servers import exposed, loads_pickles, pickles_here, server
from fer_sweep.tracking.listeners import Listener
from fer_sweep.tracking.sent import Sent, save_sent
from tests.tracking.studies import children_of, client_of, new_home, parent_of, runs_of
from tests.tracking.test_client import free_port
from tests.tracking.test_rebuild import record, send_all
from tests.tracking.test_schema import dump, revision_before_the_last, set_revision


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A study whose process died after a trial, and was sent."""
    folder = tmp_path_factory.mktemp("tracked")
    home = new_home(folder)
    record(home, folder, until=lambda event: isinstance(event, TrialFinished))
    send_all(home)
    return home


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What other processes of this machine have left behind, or serve, is not for these tests to find."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(examination, "servers_here", lambda _port: iter(()))
    return folder


def found(home: Home, subject: str, level: Level) -> list[Finding]:
    return [f for f in examine(home, store_of(None, home)) if f.subject == subject and f.level == level]


def one(home: Home, subject: str, level: Level = "problem") -> Finding:
    (finding,) = found(home, subject, level)
    return finding


def mend(home: Home, finding: Finding) -> str:
    assert finding.repair is not None
    return repair(finding.repair, home, store_of(None, home))


def doctor(home: Home, *options: str) -> Result:
    return CliRunner().invoke(app, ["doctor", "--home", str(home.root), *options])


def copy_of(home: Home, folder: Path) -> Home:
    """Its studies and searches, with a store that was given nothing yet."""
    copy = new_home(folder)
    shutil.copy(home.optuna_file, copy.optuna_file)
    shutil.copytree(home.study("tiny").root, copy.study("tiny").root)
    return copy


# -- studies -----------------------------------------------------------------------------------------------------------


def test_an_orphan_is_found_and_closed_and_then_all_is_well(tracked: Home) -> None:
    orphan = one(tracked, "study tiny")
    assert "its coordinator died" in orphan.found
    assert orphan.repair == EndStudy("tiny")
    running = one(tracked, "study tiny", "note")
    assert "1 trial is RUNNING in Optuna's database" in running.found
    assert "Run its sweep file again" in running.remedy
    told = doctor(tracked)
    assert told.exit_code == 6
    assert "1 problem; fer-sweep doctor --repair mends 1 of them." in told.stdout

    done = doctor(tracked, "--repair", "--json")

    assert done.exit_code == 0, done.stdout
    content = json.loads(done.stdout)
    assert content["healthy"]
    assert content["repairs"] == [
        {"worked": True, "text": "study tiny: its outbox is complete and sent; runs closed: 2"}
    ]
    assert parent_of(tracked).info.status == "KILLED"
    assert doctor(tracked).stdout.endswith("All is well.\n")


def test_a_run_left_running_in_mlflow_is_closed(tracked: Home) -> None:
    repair(EndStudy("tiny"), tracked, store_of(None, tracked))
    client_of(tracked).update_run(runs_of(tracked)[0].info.run_id, status="RUNNING")

    orphan = one(tracked, "study tiny")

    assert "1 run is RUNNING in MLflow, but nobody runs the study" in orphan.found
    assert mend(tracked, orphan).endswith("runs closed: 1")
    assert found(tracked, "study tiny", "problem") == []


def test_missing_runs_are_found_and_made_anew(tracked: Home) -> None:
    repair(EndStudy("tiny"), tracked, store_of(None, tracked))
    for run in runs_of(tracked):
        client_of(tracked).delete_run(run.info.run_id)
    missing = one(tracked, "study tiny")
    assert "1 run is missing in MLflow" in missing.found
    assert missing.repair is None

    done = doctor(tracked, "--rebuild")

    assert done.exit_code == 0, done.stdout
    assert "repaired study tiny: 3 deleted runs restored" in done.stdout


def test_a_waiting_outbox_is_sent(tracked: Home, tmp_path: Path) -> None:
    home = copy_of(tracked, tmp_path)
    repair(EndStudy("tiny"), home, store_of(None, home))
    home.study("tiny").sent.unlink()
    assert found(home, "study tiny", "problem") == []  # the store has it all, as if given under another address
    client_of(home).delete_run(children_of(home)["search", 0].info.run_id)

    waiting = one(home, "study tiny")

    assert waiting.repair == SendOutbox("tiny")
    assert "entries wait in its outbox" in waiting.found
    assert waiting.remedy.startswith(f"fer-sweep sync tiny --home {home.root} (or ")
    assert mend(home, waiting) == "study tiny: everything is sent"
    assert found(home, "study tiny", "problem") == []


def test_what_another_store_was_given_does_not_wait_for_this_one(tracked: Home, tmp_path: Path) -> None:
    home = copy_of(tracked, tmp_path)
    repair(EndStudy("tiny"), home, store_of(None, home))
    home.study("tiny").sent.unlink()
    repair(SendOutbox("tiny"), home, store_of(None, home))
    away = store_of(f"http://127.0.0.1:{free_port()}", home)

    said = [finding for finding in examine(home, away) if "was given" in finding.found]

    assert [(finding.level, finding.subject, finding.repair) for finding in said] == [("note", "study tiny", None)]
    assert said[0].found == f"nothing of it was given to {away.name}; all of it to {store_of(None, home).name}"


def test_a_store_that_was_never_given_a_study_lacks_none_of_its_runs(tracked: Home, tmp_path: Path) -> None:
    home = copy_of(tracked, tmp_path)
    home.study("tiny").sent.unlink()
    repair(SendOutbox("tiny"), home, store_of(None, home))
    (tmp_path / "other").mkdir()
    other = store_of(f"sqlite:///{new_home(tmp_path / 'other').mlflow_file}", home)

    said = [finding for finding in examine(home, other) if finding.subject == "study tiny"]

    assert "problem" not in {finding.level for finding in said}
    assert any(finding.found.startswith("nothing of it was given to ") for finding in said)


def test_a_promotion_that_was_interrupted_long_ago_is_ended(tracked: Home, tmp_path: Path) -> None:
    home = copy_of(tracked, tmp_path)
    repair(EndStudy("tiny"), home, store_of(None, home))
    client, tags = client_of(home), {**parent_of(home).data.tags, "fer.role": "model"}
    now = int(1000 * time.time())
    fresh, old = (client.create_run(parent_of(home).info.experiment_id, start_time=at, tags=tags) for at in (now, 1))

    left = one(home, "study tiny")

    assert left.found == "1 run is RUNNING in MLflow, but nobody runs the study"
    assert mend(home, left) == "study tiny: its outbox is complete and sent; runs closed: 1"
    assert client.get_run(old.info.run_id).info.status == "KILLED"
    assert client.get_run(fresh.info.run_id).info.status == "RUNNING"
    assert found(home, "study tiny", "problem") == []


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv, which takes root's rights away, is not installed")
def test_a_home_that_cannot_be_written_is_told_and_no_database_called_damaged(tracked: Home, tmp_path: Path) -> None:
    home = copy_of(tracked, tmp_path)
    home.artifacts.mkdir(exist_ok=True)
    subprocess.run(["chmod", "-R", "a-w", home.root], check=True)
    powerless = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]

    def asked(*verb: str) -> subprocess.CompletedProcess[str]:
        command = [*powerless, sys.executable, "-m", "fer_sweep.cli.app", *verb, "--home", str(home.root)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    doctor, history = asked("doctor"), asked("history", "tiny")
    subprocess.run(["chmod", "-R", "u+w", home.root], check=True)

    assert doctor.returncode == 6, doctor.stderr
    assert f"{home.root} cannot be written by this user" in doctor.stdout
    assert "damaged" not in doctor.stdout
    assert history.returncode == 4
    assert f"mlflow.db cannot be opened: {home.root}/mlflow.db.init.lock: Permission denied. A SQLite" in history.stderr


def test_a_damaged_and_a_lost_outbox_are_told(tracked: Home, tmp_path: Path) -> None:
    home = copy_of(tracked, tmp_path)
    home.study("tiny").outbox.write_bytes(b"00000000 {}\n" + b"torn")
    damaged = found(home, "study tiny", "problem")[0]
    assert damaged.repair == CompleteOutbox("tiny")
    assert "1 damaged entry and 4 bytes of a torn one" in damaged.found

    home.study("tiny").outbox.unlink()
    assert one(home, "study tiny").found == "its outbox is gone"


def test_a_finished_trial_that_the_outbox_lacks_is_told(tracked: Home, tmp_path: Path) -> None:
    home = copy_of(tracked, tmp_path)
    outbox = home.study("tiny").outbox
    lines = outbox.read_bytes().splitlines(keepends=True)
    outbox.write_bytes(b"".join(line for line in lines if b'"kind": "finished"' not in line))

    lacking = found(home, "study tiny", "problem")[0]

    assert lacking.found == "its outbox lacks the finished trials 0"
    assert lacking.repair == CompleteOutbox("tiny")


def test_a_study_that_is_being_run_is_no_problem(tracked: Home) -> None:
    with coordinator_lock("tiny", tracked.study("tiny")):
        assert f"is being run by process {os.getpid()}" in one(tracked, "study tiny", "ok").found


def test_a_study_without_its_facts_or_its_searches_is_told(tracked: Home, tmp_path: Path) -> None:
    home = copy_of(tracked, tmp_path)
    home.study("tiny").samples.unlink()
    assert "what study 'tiny' is cannot be read" in one(home, "study tiny").found

    shutil.copy(tracked.study("tiny").samples, home.study("tiny").samples)
    home.optuna_file.unlink()
    assert "is gone, though" in one(home, "optuna.db").found
    assert not home.optuna_file.exists()


def test_a_repair_that_fails_is_told_and_ends_with_6(tracked: Home, tmp_path: Path) -> None:
    home = copy_of(tracked, tmp_path)
    away = store_of(f"http://127.0.0.1:{free_port()}", home)
    save_sent(home.study("tiny"), away, Sent(1))

    done = doctor(home, "--repair", "--tracking-uri", away.uri)

    assert done.exit_code == 6
    assert "failed   the MLflow store http://127.0.0.1:" in done.stdout


# -- databases and files -----------------------------------------------------------------------------------------------


def test_an_empty_home_is_well_and_stays_empty(tmp_path: Path) -> None:
    home = Home(tmp_path / "none")

    done = doctor(home)

    assert done.exit_code == 0, done.stdout
    assert done.stdout.endswith("All is well.\n")
    assert not home.root.exists()


def test_a_store_that_is_gone_is_told(tracked: Home, tmp_path: Path) -> None:
    home = copy_of(tracked, tmp_path)
    home.mlflow_file.unlink()
    home.study("tiny").sent.write_text(json.dumps({store_of(None, home).name: 10}))

    assert one(home, "mlflow.db").found == "is gone or empty, though it was given tiny"
    assert not home.mlflow_file.exists()


@pytest.mark.parametrize("name", ["optuna.db", "mlflow.db"])
def test_damaged_databases_are_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("this is no database" * 100)

    damaged = one(Home(tmp_path), name)

    assert damaged.found == "is damaged: file is not a database"
    assert ".recover" in damaged.remedy


def test_schemas_of_mlflow_are_compared(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    assert "whole, schema" in one(home, "mlflow.db", "ok").found

    set_revision(home.mlflow_file, revision_before_the_last())
    older = one(home, "mlflow.db")
    assert "is older than" in older.found
    assert older.repair == UpgradeSchema("mlflow")
    set_revision(home.mlflow_file, "0123456789ab")
    newer = one(home, "mlflow.db")
    assert "is of a newer MLflow" in newer.found
    assert newer.repair is None


def test_an_older_optuna_schema_is_upgraded_after_a_copy_and_a_newer_one_refused(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    open_storage(home).engine.dispose()
    assert "whole, schema" in one(home, "optuna.db", "ok").found
    set_revision(home.optuna_file, "v3.0.0.d")  # what came after it only fills what is empty here

    older = one(home, "optuna.db")
    assert "schema v3.0.0.d is older than" in older.found
    with pytest.raises(StudyError, match=r"another version of Optuna than .* doctor --repair upgrades"):
        open_storage(home)
    assert "optuna.backup-v3.0.0.d-" in mend(home, older)
    assert found(home, "optuna.db", "problem") == []

    set_revision(home.optuna_file, "v9.0.0.a")
    assert "is of a newer Optuna" in one(home, "optuna.db").found


def test_space_on_the_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    assert "free for" in one(home, "disk", "ok").found

    monkeypatch.setattr(leftovers, "TIGHT", 2**60)
    assert "data cache --clear" in one(home, "disk", "note").remedy
    monkeypatch.setattr(leftovers, "SCARCE", 2**60)
    assert "data cache --clear" in one(home, "disk").remedy


def test_what_crashes_left_behind_is_deleted_and_nothing_else(tmp_path: Path, own_temporary_folder: Path) -> None:
    home = Home(tmp_path)
    checkpoints = home.study("x").stage("search") / "checkpoints"
    old = [
        home.root / ".mlflow.db.tmp", home.study("x").root / ".sent.json.tmp", checkpoints / "00001.part",
        home.cache / "tmp1.part", checkpoints / "00002.pt",
    ]  # fmt: skip
    upload = own_temporary_folder / "fer-sweep-abcd1234"
    kept = [checkpoints / "00003.pt", home.study("x").result("search", 2), home.study("x").outbox]
    for file in (*old, *kept, upload / "picture.png", own_temporary_folder / "fer-sweep-tests-x" / "mlflow.db"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    fresh = home.study("x").root / ".outbox.jsonl.tmp"
    for path in (*old, *kept, upload, own_temporary_folder / "fer-sweep-tests-x"):
        os.utime(path, (time.time() - 2 * 24 * 3600,) * 2)
    fresh.write_text("x")

    left = next(iter(leftovers.leftovers(home)))

    assert isinstance(left.repair, DeleteFiles)
    assert set(left.repair.files) == {*old, upload}
    assert left.found.startswith("6 files of processes that died, 0.0 MiB: ")
    assert mend(home, left) == "6 files deleted"
    assert all(path.exists() for path in (*kept, fresh, own_temporary_folder / "fer-sweep-tests-x"))
    assert [f.level for f in leftovers.leftovers(home)] == ["ok"]


def test_loading_pickles_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", raising=False)
    assert [finding.level for finding in pickles_here()] == ["note"]

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    assert list(pickles_here()) == []


# -- servers that no MLflow of today can be made to be -----------------------------------------------------------------


@contextmanager
def answering(status: int, body: bytes, *, password: str | None = None) -> Iterator[Store]:
    """A server that answers everything alike, or, with a password, 401 to those who do not have it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            allowed = password is None or given == password
            self.send_response(status if allowed else 401)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body if allowed else b"You are not authenticated.")

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as double:
        threading.Thread(target=double.serve_forever, daemon=True).start()
        try:
            yield Store(f"http://127.0.0.1:{double.server_address[1]}", None)
        finally:
            double.shutdown()


def said_of(store: Store) -> list[tuple[str, str]]:
    return [(finding.level, finding.found) for finding in server(store)]


def test_a_server_with_a_well_known_password_is_told_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    with answering(200, b"{}", password="admin:password1234") as store:
        (asks, known) = server(store)

    assert (asks.level, asks.found) == ("problem", "asks for a user and a password (401)")
    assert "ACCEPTS THE WELL-KNOWN PASSWORD of user admin (password1234)" in known.found
    assert "Change it NOW" in known.remedy


def test_a_password_in_the_address_is_used_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    with answering(200, b"{}", password="me:p@ss word") as store:
        signed = Store(store.uri.replace("://", "://me:p%40ss%20word@"), None)
        found = list(server(signed))

    assert [(finding.level, finding.found) for finding in found] == [
        ("ok", "answers a question to its database"),
        ("ok", "accepts none of the well-known passwords"),
    ]
    assert "p%40ss" not in str(found)


def test_a_wrong_password_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    with answering(200, b"{}", password="me:right") as store:
        assert said_of(store) == [
            ("problem", "does not accept user 'me' with this password (401)"),
            ("ok", "accepts none of the well-known passwords"),
        ]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, b"the database is on fire", "answers with an error: HTTP 500: the database is on fire"),
        (403, b"Invalid Host header - x", "does not know itself by the name 127.0.0.1 (403, Invalid Host header)"),
        (403, b"not you", "forbids it (403): not you"),
    ],
)
def test_a_server_that_refuses_is_told(status: int, body: bytes, said: str) -> None:
    with answering(status, body) as store:
        assert said_of(store) == [("problem", said)]


def test_a_server_that_listens_everywhere_without_a_password_is_told() -> None:
    with answering(200, b"{}") as store:
        here = Listener(os.getpid(), "0.0.0.0", int(store.uri.rpartition(":")[2]), "python -m mlflow server")
        (finding,) = exposed(here, looked_at=None)
        assert list(exposed(replace(here, address="127.0.0.1"), looked_at=None)) == []
        assert list(exposed(here, looked_at=here.port)) == []

    assert finding.level == "problem"
    assert "listens on all addresses of this machine and asks for no password" in finding.found


def test_a_server_that_may_load_pickles_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Listener(os.getpid(), "127.0.0.1", 5000, "python -m mlflow server")

    (finding,) = loads_pickles(here)

    assert finding.level == "note"
    assert "may load pickled models" in finding.found
    assert list(loads_pickles(replace(here, pid=2**22 + 1))) == []  # nobody, so nothing can be told


def test_a_server_that_is_away_is_told() -> None:
    ((level, text),) = said_of(Store(f"http://127.0.0.1:{free_port()}", None))

    assert level == "problem"
    assert "cannot be reached: " in text


def test_the_databases_of_a_project_are_only_read(tracked: Home) -> None:
    def rows() -> list[str]:
        return [line for file in (tracked.optuna_file, tracked.mlflow_file) for line in dump(file)]

    before = rows()

    assert len(list(examine(tracked, store_of(None, tracked)))) >= 6

    assert rows() == before
