"""Databases: are they whole, and do they have the schema that the installed libraries speak?"""

from collections.abc import Iterator
from pathlib import Path

from fer_sweep.errors import StudyError, TrackingError
from fer_sweep.study.backup import integrity
from fer_sweep.study.database import name_of, opened_storage
from fer_sweep.study.home import Home
from fer_sweep.study.schema import search_schema
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.diagnosis.findings import Finding, UpgradeSchema
from fer_sweep.tracking.schema import schema_of, sqlite_file
from fer_sweep.tracking.sent import sent_to

_RESTORE = (
    "Restore a backup, or save what can be read: sqlite3 {name} .recover | sqlite3 new.db. {more}Until then do not run "
    "anything on it."
)


def search_database(home: Home) -> Iterator[Finding]:
    """Optuna's database: the truth of all searches."""
    if home.storage is not None:
        yield _served(home)
        return
    file = home.optuna_file
    if not file.exists():
        if home.tracked_studies():
            yield Finding(
                "problem",
                file.name,
                f"is gone, though {home.root} has studies",
                "Restore a backup: searches go on from it.",
            )
        else:
            yield Finding("ok", file.name, "no study has been run here yet")
        return
    damage = integrity(file)
    if damage is not None:
        yield Finding("problem", file.name, f"is damaged: {damage}", _RESTORE.format(name=file, more=""))
        return
    repair = UpgradeSchema("optuna")
    yield _search_schema_finding(
        home, file.name, older="fer-sweep doctor --repair upgrades it after a copy.", repair=repair
    )


def _served(home: Home) -> Finding:
    """A Postgres of searches: it answers, and has the right schema."""
    name = "the database of searches"
    try:
        name = name_of(home)
        with opened_storage(home):
            pass
    except StudyError as error:
        if "version of Optuna" not in str(error):
            return Finding("problem", name, str(error))
    return _search_schema_finding(home, name, older="Back it up (pg_dump), then: optuna storage upgrade --storage URL.")


def _search_schema_finding(home: Home, name: str, *, older: str, repair: UpgradeSchema | None = None) -> Finding:
    schema = search_schema(home)
    if schema.found == schema.installed:
        return Finding("ok", name, f"whole, schema {schema.found}, as the installed Optuna has it")
    if schema.known:
        said = f"schema {schema.found} is older than {schema.installed} of the installed Optuna"
        return Finding("problem", name, said, older, repair)
    said = f"schema {schema.found} is of a newer Optuna than the installed one ({schema.installed})"
    return Finding("problem", name, said, "Install that one: pip install -U optuna.")


def store_database(home: Home, store: Store) -> Iterator[Finding]:
    """MLflow's database, where it is not behind a server."""
    if store.uri.startswith(("http://", "https://")):
        return
    try:
        file = sqlite_file(store.uri)
        name = store.name if file is None else file.name
        damage = None if file is None or not file.exists() else integrity(file)
        if damage is not None:
            more = "fer-sweep doctor --rebuild fills a new one. " if file == home.mlflow_file.absolute() else ""
            yield Finding("problem", name, f"is damaged: {damage}", _RESTORE.format(name=file, more=more))
            return
        given = [study for study in home.tracked_studies() if sent_to(home.study(study), store).end]
        yield _schema_finding(name, store, file, given)
    except TrackingError as error:
        yield Finding("problem", store.name, str(error))


def _schema_finding(name: str, store: Store, file: Path | None, given: list[str]) -> Finding:
    """given: studies that the store had something of."""
    schema = schema_of(store.uri)
    match schema.state:
        case "empty" if given:
            found = f"is gone or empty, though it was given {', '.join(given)}"
            return Finding("problem", name, found, "Restore a backup, or: fer-sweep doctor --rebuild fills a new one.")
        case "empty":
            return Finding("ok", name, "there is no MLflow store yet; the first study makes it")
        case "current":
            return Finding("ok", name, f"whole, schema {schema.found}, as the installed MLflow has it")
        case "newer":
            return Finding(
                "problem",
                name,
                f"schema {schema.found} is of a newer MLflow than the installed one ({schema.installed})",
                "Install that one: pip install -U mlflow.",
            )
        case "older":
            found = f"schema {schema.found} is older than {schema.installed} of the installed MLflow"
            if file is None:
                return Finding("problem", name, found, "Save it with pg_dump, then: fer-sweep serve --upgrade.")
            remedy = "fer-sweep doctor --repair upgrades it after a copy; so does fer-sweep serve."
            return Finding("problem", name, found, remedy, UpgradeSchema("mlflow"))
