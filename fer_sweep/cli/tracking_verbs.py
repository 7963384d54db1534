"""Verbs about the MLflow store. Each imports what it needs when it is called, so that --help answers at once."""

from typing import Annotated

import typer

from fer_sweep.cli.options import DEFAULT_HOME, AsJson, HomeFolder, TrackingUri


def sync(
    studies: Annotated[list[str] | None, typer.Argument(metavar="[STUDY]...", help="Without any: all.")] = None,
    tracking_uri: TrackingUri = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Send to MLflow what could not be sent before: after an outage, a crash, or a run with --offline."""
    from fer_sweep.cli.sync import sync_studies

    sync_studies(studies or [], tracking_uri=tracking_uri, home=home, as_json=as_json)


def serve(
    home: HomeFolder = DEFAULT_HOME,
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 5000,
) -> None:
    """Open the local store in the MLflow UI: starts an MLflow server on 127.0.0.1 until Ctrl-C."""
    from fer_sweep.cli.serve import serve_store

    serve_store(home, port)
