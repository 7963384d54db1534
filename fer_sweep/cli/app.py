"""fer-sweep: the verbs. Each imports what it needs when it is called, so that --help answers at once.

Exit codes: 0 done, 2 bad input, 3 finished without a valid trial, 4 tracking store unreachable, 130 interrupted
(the same command resumes).
"""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from fer_sweep import __version__
from fer_sweep.errors import FerSweepError

app = typer.Typer(
    name="fer-sweep",
    help="Sweeps for facial expression recognition: Optuna searches, MLflow remembers, the answer is honest.",
    epilog="Exit codes: 0 done, 2 bad input, 3 finished without a valid trial, 4 tracking store unreachable, "
    "130 interrupted (the same command resumes).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SweepFile = Annotated[Path, typer.Argument(metavar="FILE", help="Sweep file (YAML).", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Replace a value of the file, e.g. train.epochs=100. Repeatable."),
]
HomeFolder = Annotated[
    Path, typer.Option("--home", envvar="FER_SWEEP_HOME", help="Folder of databases, results and artifacts.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
DEFAULT_HOME = Path(".fer-sweep")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fer-sweep {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(  # noqa: PLR0917 (typer passes by name)
    file: SweepFile,
    overrides: Overrides = None,
    branch: Annotated[
        bool, typer.Option("--branch", help="Run a changed sweep file as a study of its own (NAME.2, NAME.3, ...).")
    ] = False,
    tracking_uri: Annotated[
        str | None,
        typer.Option("--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="MLflow store; default: SQLite in --home."),
    ] = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Run a sweep, or resume it: the same command again goes on where it stopped."""
    try:
        from fer_sweep.spec import load_sweep

        spec = load_sweep(file, overrides or [])  # first, so that a mistake in the file is told at once
        from fer_sweep.cli.run import run_sweep

        code = run_sweep(spec, branch=branch, tracking_uri=tracking_uri, home=home, as_json=as_json)
    except KeyboardInterrupt:
        for again in (signal.SIGINT, signal.SIGTERM):  # all is written; what is left is to leave
            signal.signal(again, signal.SIG_IGN)
        typer.echo("interrupted. The same command resumes.", err=True)
        raise
    raise typer.Exit(code)


@app.command()
def plan(
    file: SweepFile,
    overrides: Overrides = None,
    trials: Annotated[int, typer.Option("--trials", min=0, help="How many first configurations to show.")] = 5,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Say what a sweep would do, without doing it: space, splits, networks, and time from a short measured probe."""
    from fer_sweep.spec import load_sweep

    spec = load_sweep(file, overrides or [])
    from fer_sweep.cli.plan import show_plan

    show_plan(spec, trials=trials, home=home, as_json=as_json)


@app.command()
def validate(file: SweepFile, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Check a sweep file without touching data: every problem at once, with line, path and remedy."""
    from fer_sweep.cli.validate import validate_file

    validate_file(file, overrides or [], as_json=as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of sweep files, for editors."""
    import json

    from fer_sweep.spec import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command()
def status(
    study: Annotated[str | None, typer.Argument(metavar="[STUDY]", help="One study; without it, all.")] = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Show the studies of this project, or the ranked trials of one."""
    from fer_sweep.cli.status import show_status

    show_status(study, home=home, as_json=as_json)


data_app = typer.Typer(help="Look at pictures, draw some, and see what was computed from them.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@data_app.command("inspect")
def inspect_data(  # noqa: PLR0917 (typer passes by name)
    path: Annotated[Path, typer.Argument(help="Folder of pictures, or FER-2013's CSV file.", show_default=False)],
    person: Annotated[
        str | None, typer.Option("--person", metavar="REGEX", help="What names the person: (?P<person>...).")
    ] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="A,B,...", help="Names of numeric class folders, in order.")
    ] = None,
    faces: Annotated[bool, typer.Option("--faces/--no-faces", help="Look for faces.")] = True,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="FILE", help="Write a contact sheet with the found faces (PNG).")
    ] = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Say what a folder of pictures is: layout, classes, persons, sizes, bad files, faces."""
    from fer_sweep.cli.data import show_inspection

    names = None if labels is None else tuple(name.strip() for name in labels.split(","))
    show_inspection(path, person=person, labels=names, faces=faces, sheet=sheet, home=home, as_json=as_json)


@data_app.command("synthesize")
def synthesize_data(  # noqa: PLR0917 (typer passes by name)
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)],
    samples: Annotated[int, typer.Option("--n", min=28, max=100_000, help="Number of pictures.")] = 420,
    persons: Annotated[int, typer.Option("--persons", min=4)] = 42,
    size: Annotated[int, typer.Option("--size", min=32, max=512, help="Side in pixels.")] = 96,
    strength: Annotated[float, typer.Option("--strength", min=0.0, max=2.0, help="Of expressions.")] = 1.0,
    wrong_labels: Annotated[float, typer.Option("--wrong-labels", min=0.0, max=0.5, help="Share, known.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Write drawn faces in seven expressions as files."""
    from fer_sweep.cli.data import synthesize
    from fer_sweep.spec.data import SyntheticFaces

    config = SyntheticFaces(
        source="synthetic_faces",
        samples=samples,
        persons=persons,
        size=size,
        strength=strength,
        wrong_labels=wrong_labels,
        seed=seed,
    )
    synthesize(config, folder, as_json=as_json)


@data_app.command("cache")
def data_cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete everything in it.")] = False,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Show, or clear, what was computed from pictures: faces, pixels, descriptors, backbone features."""
    from fer_sweep.cli.data import show_cache

    show_cache(home, clear=clear, as_json=as_json)


@app.command()
def serve(
    home: HomeFolder = DEFAULT_HOME,
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 5000,
) -> None:
    """Open the local store in the MLflow UI: starts an MLflow server on 127.0.0.1 until Ctrl-C."""
    from fer_sweep.cli.serve import serve_store

    serve_store(home, port)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    """SIGTERM ends like Ctrl-C: runs get their right status, and the same command resumes."""
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: errors become a message and an exit code, never a traceback."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except FerSweepError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
