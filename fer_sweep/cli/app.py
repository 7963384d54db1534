"""fer-sweep: the command line and its verbs.

Exit codes: 0 done (or stopped by fer-sweep stop), 2 bad input, 3 finished without a valid trial, 4 MLflow store
unreachable or not given everything (yet), 5 promotion refused by the gate, 6 doctor found problems that remain, 7 the
disk is full, 130 interrupted or cancelled (after these two the same command resumes).
"""

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from fer_sweep import __version__
from fer_sweep.cli import data_verbs, predict_verbs, registry_verbs, steering_verbs, sweep_verbs, tracking_verbs
from fer_sweep.errors import FerSweepError, out_of_space

DISK_FULL = 7

app = typer.Typer(
    name="fer-sweep",
    help="Sweeps for facial expression recognition: Optuna searches, MLflow remembers, the answer is honest.",
    epilog="Exit codes: 0 done (or stopped by fer-sweep stop), 2 bad input, 3 finished without a valid trial, "
    "4 MLflow store unreachable or not given everything (yet), 5 promotion refused by the gate, "
    "6 doctor found problems that remain, 7 the disk is full, 130 interrupted or cancelled (after these two the same "
    "command resumes).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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


app.command()(sweep_verbs.run)
app.command()(sweep_verbs.plan)
app.command()(sweep_verbs.validate)
app.command()(sweep_verbs.schema)
app.command()(sweep_verbs.status)
app.command()(sweep_verbs.compare)
app.command()(sweep_verbs.report)
app.command()(sweep_verbs.paper)
app.command()(sweep_verbs.pretrain)
app.command()(steering_verbs.stop)
app.command()(steering_verbs.cancel)
app.command()(steering_verbs.pause)
app.command()(steering_verbs.resume)
app.command()(steering_verbs.retry)
app.command()(steering_verbs.enqueue)
app.command()(steering_verbs.logs)
app.command()(registry_verbs.promote)
app.command()(registry_verbs.demote)
app.command()(registry_verbs.history)
app.command()(tracking_verbs.serve)
app.command()(tracking_verbs.sync)
app.command()(tracking_verbs.doctor)
app.command()(predict_verbs.predict)

data_app = typer.Typer(help="Look at pictures, draw some, and see what was computed from them.", no_args_is_help=True)
data_app.command("inspect")(data_verbs.inspect_data)
data_app.command("synthesize")(data_verbs.synthesize_data)
data_app.command("cache")(data_verbs.data_cache)
app.add_typer(data_app, name="data")


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    """SIGTERM ends like Ctrl-C: runs get their right status, and the same command resumes."""
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: errors become a message and an exit code, never a traceback."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except Exception as error:
        full = out_of_space(error)  # whatever was made of it on the way
        if full is not None:
            typer.echo(
                f"error: the disk is full: {full}. Free some space and run the same command again; what was computed "
                "so far is kept.",
                err=True,
            )
            sys.exit(DISK_FULL)
        if isinstance(error, PermissionError) and error.filename is not None:
            typer.echo(f"error: {error.filename}: {error.strerror}. Let this user in, or name another place.", err=True)
            sys.exit(FerSweepError.exit_code)
        if not isinstance(error, FerSweepError):
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
