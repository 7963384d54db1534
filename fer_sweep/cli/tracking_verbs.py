"""Verbs about the MLflow store. Each imports what it needs when it is called, so that --help answers at once."""

from typing import Annotated

import typer

from fer_sweep.cli.options import AsJson, HomeFolder, Storage, TrackingUri
from fer_sweep.study.home import DEFAULT_HOME, Home


def sync(
    studies: Annotated[list[str] | None, typer.Argument(metavar="[STUDY]...", help="Without any: all.")] = None,
    tracking_uri: TrackingUri = None,
    storage: Storage = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Send to MLflow what could not be sent before: after an outage, a crash, or a run with --offline."""
    from fer_sweep.cli.sync import sync_studies

    sync_studies(studies or [], tracking_uri=tracking_uri, place=Home(home, storage), as_json=as_json)


def doctor(  # noqa: PLR0917 (typer passes by name)
    mend: Annotated[bool, typer.Option("--repair", help="Repair what can be repaired.")] = False,
    anew: Annotated[
        bool,
        typer.Option("--rebuild", help="Make MLflow's missing runs anew from the searches' database and files."),
    ] = False,
    tracking_uri: TrackingUri = None,
    storage: Storage = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Look for what is wrong: databases, outboxes, runs left running, the server, disk space. Ends with 6 if problems
    remain."""
    from fer_sweep.cli.doctor import show_diagnosis
    from fer_sweep.tracking.address import store_of

    place = Home(home, storage)
    code = show_diagnosis(place, store_of(tracking_uri, place), mend=mend, anew=anew, as_json=as_json)
    raise typer.Exit(code)


def serve(  # noqa: PLR0917 (typer passes by name)
    home: HomeFolder = DEFAULT_HOME,
    store_uri: Annotated[
        str | None,
        typer.Option(
            "--store-uri",
            "--backend-store-uri",
            envvar="MLFLOW_BACKEND_STORE_URI",
            help="Database of the store; default: SQLite in --home. Give a password by the variable.",
        ),
    ] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(
            "--artifacts-destination",
            envvar="MLFLOW_ARTIFACTS_DESTINATION",
            help="Folder or bucket of the files; default: in --home.",
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 5000,
    allowed_hosts: Annotated[
        list[str] | None,
        typer.Option("--allowed-host", metavar="NAME", help="Name that clients may call the server by. Repeatable."),
    ] = None,
    auth: Annotated[
        bool | None,
        typer.Option("--auth/--no-auth", show_default=False, help="Ask for passwords; the first one is generated."),
    ] = None,
    new_password: Annotated[
        bool, typer.Option("--new-password", help="With --auth: generate a new password for the administrator.")
    ] = False,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Upgrade the schema of a database that is not SQLite (save it first).")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64)] = 1,
) -> None:
    """Open a store in the MLflow UI: a guarded MLflow server, on this machine alone unless told otherwise."""
    from fer_sweep.cli.serve import ServeOptions, serve_store

    options = ServeOptions(
        store_uri=store_uri,
        artifacts=artifacts,
        host=host,
        port=port,
        allowed_hosts=tuple(allowed_hosts or ()),
        workers=workers,
        auth=auth,
        new_password=new_password,
        upgrade=upgrade,
    )
    serve_store(Home(home), options)
