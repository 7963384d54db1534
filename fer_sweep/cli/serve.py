"""fer-sweep serve: the studies in a browser."""

import sys
import time
from contextlib import suppress
from dataclasses import dataclass

from fer_sweep.cli.console import err, out
from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home
from fer_sweep.tracking.accounts import ADMIN, Accounts, prepare_accounts
from fer_sweep.tracking.address import Store, local_uri, without_passwords
from fer_sweep.tracking.schema import require_not_newer, schema_of, sqlite_file, upgrade_schema
from fer_sweep.tracking.server import Serving, last_lines, require_guard, require_port, running_server
from fer_sweep.tracking.urls import model_urls, study_urls


@dataclass(frozen=True)
class ServeOptions:
    """What the command line says. store_uri and artifacts: None for the local store's; auth: None if left open."""

    store_uri: str | None
    artifacts: str | None
    host: str
    port: int
    allowed_hosts: tuple[str, ...]
    workers: int
    auth: bool | None
    new_password: bool
    upgrade: bool


def serve_store(home: Home, options: ServeOptions) -> None:
    """Serve a store until Ctrl-C or SIGTERM, which end it in order."""
    auth = True if options.new_password and options.auth is None else options.auth
    require_guard(options.host, options.allowed_hosts, auth=auth)
    require_port(options.host, options.port)
    uri = options.store_uri or local_uri(home)
    if any(without_passwords(argument) != argument for argument in sys.argv):
        err.print(
            "warning: every user of this machine can read the password in the command line. Give the address by the "
            "variable MLFLOW_BACKEND_STORE_URI instead of --store-uri.",
            style="yellow",
            soft_wrap=True,
        )
    if options.store_uri is None and not home.mlflow_file.exists():
        raise TrackingError(
            f"there is no MLflow store in {home.root} yet. Run a sweep first (fer-sweep run sweeps/quickstart.yaml), "
            "or name the folder of an earlier one with --home."
        )
    _prepare_schema(uri, upgrade=options.upgrade)
    accounts = prepare_accounts(home, renew=options.new_password) if auth else None
    serving = Serving(
        store_uri=uri,
        artifacts=options.artifacts or home.artifacts.absolute().as_uri(),
        host=options.host,
        port=options.port,
        allowed_hosts=options.allowed_hosts,
        workers=options.workers,
        accounts=accounts,
        log=home.server_log(options.port),
    )
    if accounts is not None:
        _tell_password(accounts, home)
    begun = time.monotonic()
    with suppress(KeyboardInterrupt), running_server(serving) as server:
        out.print(f"MLflow is up at {serving.url} after {time.monotonic() - begun:.1f} s. Ctrl-C ends it.")
        _tell_addresses(Store(uri, home.artifacts), serving)
        code = server.wait()
        raise TrackingError(
            f"the MLflow server ended by itself with exit code {code}. Its last words:{last_lines(serving.log)}"
        )
    out.print("MLflow is down again.")


def _prepare_schema(uri: str, *, upgrade: bool) -> None:
    """Bring the database's schema up to date, after a backup; say what was done."""
    schema = schema_of(uri)
    require_not_newer(uri, schema)
    if schema.state != "older":
        return
    if sqlite_file(uri) is None and not upgrade:
        raise TrackingError(
            f"the schema of {without_passwords(uri)} is {schema.found}, the installed MLflow's is {schema.installed}. "
            "Upgrading cannot be undone: save the database first (pg_dump --format=custom --file=mlflow.dump ...), "
            "then add --upgrade."
        )
    with err.status("upgrading the schema of the MLflow store"):
        upgraded = upgrade_schema(uri, schema)
    kept = "" if upgraded.copy is None else f" The database as it was is in {upgraded.copy}."
    out.print(f"The store's schema was upgraded from {upgraded.before} to {upgraded.after}.{kept}", soft_wrap=True)


def _tell_password(accounts: Accounts, home: Home) -> None:
    if accounts.password is not None:
        out.print(f"User {ADMIN}, password {accounts.password}", style="bold", soft_wrap=True)
        out.print("It is shown this once and kept nowhere: note it now.")
    else:
        out.print(
            f"User {ADMIN} has its password from the first start. If it is lost: "
            f"fer-sweep serve --new-password{home.option}",
            soft_wrap=True,
        )
    out.print("Programs (fer-sweep too) read MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.", soft_wrap=True)


def _tell_addresses(store: Store, serving: Serving) -> None:
    for name, url in study_urls(store, serving.url):
        out.print(f"  {name}: {url}", soft_wrap=True)
    for name, url in model_urls(store, serving.url):
        out.print(f"  model {name}: {url}", soft_wrap=True)
