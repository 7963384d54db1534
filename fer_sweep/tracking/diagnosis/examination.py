"""The whole examination, as a generator of findings, and what --repair does about one of them."""

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

from mlflow import MlflowClient

from fer_sweep.errors import TrackingError
from fer_sweep.study.facts import load_facts
from fer_sweep.study.home import Home
from fer_sweep.study.lock import writer_lock
from fer_sweep.study.schema import upgrade_search_schema
from fer_sweep.study.stored import stored_studies
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.client import open_client
from fer_sweep.tracking.diagnosis.databases import search_database, store_database
from fer_sweep.tracking.diagnosis.findings import (
    CompleteOutbox,
    DeleteFiles,
    EndStudy,
    Finding,
    Repair,
    SendOutbox,
    UpgradeSchema,
)
from fer_sweep.tracking.diagnosis.leftovers import disk, leftovers
from fer_sweep.tracking.diagnosis.servers import pickles_here, server, servers_here
from fer_sweep.tracking.diagnosis.studies import study
from fer_sweep.tracking.rebuild import close_orphans, send
from fer_sweep.tracking.schema import schema_of, sqlite_file, upgrade_schema


def examine(home: Home, store: Store) -> Iterator[Finding]:
    """Look at everything. Changes nothing and creates nothing."""
    yield from disk(home)
    if home.root.exists() and not os.access(home.root, os.W_OK):
        remedy = "Look as the user whose it is, or copy it and name the copy with --home."
        yield Finding(
            "problem", "home", f"{home.root} cannot be written by this user, so no database can be opened", remedy
        )
        return
    searches = list(search_database(home))
    yield from searches
    stored = list(store_database(home, store)) + list(server(store))
    yield from stored
    yield from servers_here(urlsplit(store.uri).port if store.uri.startswith("http") else None)
    readable = all(finding.level != "problem" for finding in searches)
    client = _client(store) if all(finding.level != "problem" for finding in stored) else None
    studies = {one.name: one for one in stored_studies(home)} if readable else {}
    for name in sorted({*studies, *home.tracked_studies()}) if readable else ():
        yield from study(name, studies.get(name), home, store, client)
    yield from leftovers(home)
    yield from pickles_here()


def repair(what: Repair, home: Home, store: Store) -> str:
    """Do it; returns what was done. Raises FerSweepError where it could not be done."""
    match what:
        case EndStudy(study=name) | CompleteOutbox(study=name):
            closed = close_orphans(name, home, store)
            return f"study {name}: its outbox is complete and sent" + (f"; runs closed: {closed}" if closed else "")
        case SendOutbox(study=name):
            files = home.study(name)
            with writer_lock(name, files, timeout=0.0):
                refused = send(load_facts(name, files), files, store)
            if refused:
                raise TrackingError(" ".join(refused))
            return f"study {name}: everything is sent"
        case DeleteFiles(files=files_left):
            for file in files_left:
                if file.is_dir():
                    shutil.rmtree(file)
                else:
                    file.unlink(missing_ok=True)
            return f"{len(files_left)} files deleted"
        case UpgradeSchema(database="optuna"):
            return f"optuna.db upgraded; what it was before is in {upgrade_search_schema(home)}"
        case UpgradeSchema():
            upgraded = upgrade_schema(store.uri, schema_of(store.uri))
            return f"MLflow's store upgraded; what it was before is in {upgraded.copy}"


def _client(store: Store) -> MlflowClient | None:
    """A client, unless there is nothing to ask: looking must not create a store."""
    file = None if store.artifacts is None else sqlite_file(store.uri)
    return None if file is not None and not file.exists() else open_client(store)
