"""Arguments and options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from fer_sweep.errors import StudyError


def _folder(home: Path) -> Path:
    if home.is_file():
        raise StudyError(f"--home: {home} is a file, not a folder. Name a folder, new or of earlier studies.")
    return home


SweepFile = Annotated[Path, typer.Argument(metavar="FILE", help="Sweep file (YAML).", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Replace a value of the file, e.g. train.epochs=100. Repeatable."),
]
HomeFolder = Annotated[
    Path,
    typer.Option(
        "--home", envvar="FER_SWEEP_HOME", callback=_folder, help="Folder of databases, results and artifacts."
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        envvar="FER_SWEEP_STORAGE",
        help="Postgres of the searches, for several machines; default: SQLite in --home. A password: by the variable.",
        show_envvar=True,
    ),
]
TrackingUri = Annotated[
    str | None,
    typer.Option("--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="MLflow store; default: SQLite in --home."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
