"""Verbs about the MLflow store. Each imports what it needs when it is called, so that --help answers at once."""

from typing import Annotated

import typer

from fer_sweep.cli.options import DEFAULT_HOME, HomeFolder


def serve(
    home: HomeFolder = DEFAULT_HOME,
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 5000,
) -> None:
    """Open the local store in the MLflow UI: starts an MLflow server on 127.0.0.1 until Ctrl-C."""
    from fer_sweep.cli.serve import serve_store

    serve_store(home, port)
