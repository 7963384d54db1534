"""Verbs about sweeps. Each imports what it needs when it is called, so that --help answers at once."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from fer_sweep.cli.interruption import Cancelled
from fer_sweep.cli.options import AsJson, HomeFolder, Overrides, Storage, SweepFile, TrackingUri
from fer_sweep.study.home import DEFAULT_HOME, Home


def run(  # noqa: PLR0917 (typer passes by name)
    file: SweepFile,
    overrides: Overrides = None,
    branch: Annotated[
        bool, typer.Option("--branch", help="Run a changed sweep file as a study of its own (NAME.2, NAME.3, ...).")
    ] = False,
    tracking_uri: TrackingUri = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Write nothing to MLflow now; fer-sweep sync sends it later.")
    ] = False,
    executor: Annotated[
        str | None, typer.Option("--executor", metavar="auto|inline|pool|ray", help="Sets resources.executor.")
    ] = None,
    slots: Annotated[
        str | None,
        typer.Option("--slots", metavar="auto|N", help="Trials at a time (pool, ray); sets resources.slots."),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address", metavar="auto|local|HOST:PORT", help="Ray cluster to run on; sets resources.ray_address."
        ),
    ] = None,
    storage: Storage = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Run a sweep, or resume it: the same command again goes on where it stopped."""
    try:
        from fer_sweep.spec import as_written, load_sweep

        resources = {
            "resources.executor": executor,
            "resources.slots": slots,
        }
        shortcuts = [f"{path}={value}" for path, value in resources.items() if value is not None]
        shortcuts += [] if ray_address is None else [as_written("resources.ray_address", ray_address)]
        # first, so that a mistake in the file is told at once
        spec = load_sweep(file, [*(overrides or []), *shortcuts])
        from fer_sweep.cli.run import run_sweep

        code = run_sweep(
            spec, branch=branch, tracking_uri=tracking_uri, offline=offline, place=Home(home, storage), as_json=as_json
        )
    except KeyboardInterrupt as end:
        for again in (signal.SIGINT, signal.SIGTERM):  # all is written; what is left is to leave
            signal.signal(again, signal.SIG_IGN)
        by = "cancelled by fer-sweep cancel" if isinstance(end, Cancelled) else "interrupted"
        typer.echo(f"{by}. The same command resumes.", err=True)
        raise
    raise typer.Exit(code)


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


def validate(file: SweepFile, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Check a sweep file without touching data: every problem at once, with line, path and remedy."""
    from fer_sweep.cli.validate import validate_file

    validate_file(file, overrides or [], as_json=as_json)


def schema() -> None:
    """Print the JSON Schema of sweep files, for editors."""
    import json

    from fer_sweep.spec import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


def status(
    study: Annotated[str | None, typer.Argument(metavar="[STUDY]", help="One study; without it, all.")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again whenever something has changed, until Ctrl-C.")
    ] = False,
    storage: Storage = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Show the studies of this project, or the ranked trials of one."""
    from fer_sweep.cli.status import show_status

    show_status(study, watch=watch, home=Home(home, storage), as_json=as_json)


def report(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Its name.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FOLDER", help="Where to write it; default: reports/STUDY.", show_default=False
        ),
    ] = None,
    storage: Storage = None,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Write what a study found as one HTML file that needs no network, with its pictures and tables beside it."""
    from fer_sweep.cli.report import report_study

    report_study(study, folder=output, home=Home(home, storage))


def paper(  # noqa: PLR0917 (typer passes by name)
    workbook: Annotated[
        Path, typer.Option("--workbook", envvar="FER_SFEW_WORKBOOK", help="SFEW.xlsx, the paper's features.")
    ],
    images: Annotated[
        Path | None, typer.Option("--images", help="Folder of face pictures; without it, drawn faces.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few repeats and small networks: minutes.")] = False,
    only: Annotated[
        str | None, typer.Option("--only", metavar="network|pictures", help="One half of the paper.")
    ] = None,
    sweeps: Annotated[Path, typer.Option("--sweeps", help="Folder of the paper's sweep files.")] = Path("sweeps/paper"),
    output: Annotated[Path, typer.Option("--output", metavar="FOLDER", help="Where to write the report.")] = Path(
        "reports/paper"
    ),
    tracking_uri: TrackingUri = None,
    offline: Annotated[bool, typer.Option("--offline", help="Write nothing to MLflow now.")] = False,
    storage: Storage = None,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Reproduce the paper: run its sweeps (the same command resumes) and set every table and figure beside ours."""
    from fer_sweep.cli.paper import reproduce

    reproduce(
        workbook, images, sweeps, quick=quick, only=only, output=output, tracking_uri=tracking_uri, offline=offline,
        home=Home(home, storage),
    )  # fmt: skip


def pretrain(  # noqa: PLR0917 (typer passes by name)
    file: SweepFile,
    output: Annotated[
        Path, typer.Option("--output", metavar="FILE", help="Where to write the weights, such as weights/faces.pth.")
    ],
    overrides: Overrides = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Train the base of a sweep file, a ResNet with `mode: finetune`, and write weights for others' `model.weights`."""
    try:
        from fer_sweep.spec import load_sweep

        spec = load_sweep(file, overrides or [])
        from fer_sweep.cli.pretrain import pretrain_backbone

        pretrain_backbone(spec, output, force=force, home=Home(home), as_json=as_json)
    except KeyboardInterrupt:
        typer.echo("interrupted. The same command goes on where it stopped.", err=True)
        raise


def compare(
    trials: Annotated[
        list[str],
        typer.Argument(
            metavar="A B...",
            help="STUDY (its best confirmed), STUDY/3 (a trial of the search), STUDY/confirm/3, or an MLflow run id.",
            show_default=False,
        ),
    ],
    tracking_uri: TrackingUri = None,
    storage: Storage = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Compare trials with the first, fold by fold on the same splits: differences with 95 % intervals."""
    if len(trials) < 2:
        raise typer.BadParameter("name two trials or more", param_hint="A B...")
    from fer_sweep.cli.compare import compare_trials

    compare_trials(trials, tracking_uri=tracking_uri, place=Home(home, storage), as_json=as_json)
