"""The verb that asks a model. It imports what it needs when it is called, so that --help answers at once."""

from pathlib import Path
from typing import Annotated

import typer

from fer_sweep.cli.options import AsJson, HomeFolder, TrackingUri
from fer_sweep.study.home import DEFAULT_HOME


def predict(  # noqa: PLR0917 (typer passes by name)
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="models:/NAME@ALIAS, models:/NAME/VERSION, models:/m-..., runs:/RUN/NAME."
        ),
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Pictures, folders of pictures, or CSV files of features."),
    ],
    explain: Annotated[
        Path | None,
        typer.Option("--explain", metavar="FILE", help="Write what in the pictures speaks for the answers (PNG)."),
    ] = None,
    tracking_uri: TrackingUri = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Ask a model: the expression on every picture (or in every row), with probabilities."""
    from fer_sweep.cli.predict import show_predictions

    show_predictions(model, inputs, explain=explain, tracking_uri=tracking_uri, home=home, as_json=as_json)
