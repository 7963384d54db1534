"""Verbs about registered models. Each imports what it needs when it is called, so that --help answers at once."""

from typing import Annotated

import typer

from fer_sweep.cli.options import AsJson, HomeFolder, Storage, TrackingUri
from fer_sweep.study.home import DEFAULT_HOME, Home

ModelName = Annotated[str, typer.Argument(metavar="NAME", help="Registered model.", show_default=False)]
Alias = Annotated[str, typer.Option("--alias", help="The alias that moves.")]


def promote(  # noqa: PLR0917 (typer passes by name)
    study: Annotated[str, typer.Argument(help="A finished study.", show_default=False)],
    trial: Annotated[
        int | None, typer.Option("--trial", min=0, help="This trial; default: the best confirmed configuration.")
    ] = None,
    alias: Alias = "champion",
    fold: Annotated[
        str | None,
        typer.Option("--fold", metavar="R/F", help="Train on the training part of this fold; default: all samples."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Registered model; default: the study's name.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Move the alias even if the gate refuses; leaves a mark.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for --force.")] = "",
    max_harm: Annotated[
        float,
        typer.Option(
            "--max-harm", min=0.0, max=1.0, help="Loss of the metric that the 95 % interval may leave possible."
        ),
    ] = 0.02,
    min_recall: Annotated[float, typer.Option("--min-recall", min=0.0, max=1.0, help="Floor of every class.")] = 0.01,
    min_accuracy: Annotated[float, typer.Option("--min-accuracy", min=0.0, max=1.0, help="Floor.")] = 0.0,
    repeats: Annotated[int, typer.Option("--repeats", min=2, max=1000, help="Of the protocol, on fresh splits.")] = 5,
    tracking_uri: TrackingUri = None,
    storage: Storage = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Register a study's confirmed best as a model; it becomes champion if the gate finds no harm. Exit code 5: no."""
    try:
        from fer_sweep.cli.promote import Wish, promote_study
        from fer_sweep.study.verdict import GateOptions

        options = GateOptions(max_harm, min_recall, min_accuracy, repeats)
        wish = Wish(study, trial, alias, fold, name, reason if force else None, options)
        code = promote_study(wish, tracking_uri=tracking_uri, place=Home(home, storage), as_json=as_json)
    except KeyboardInterrupt:
        typer.echo("interrupted. The same command goes on where it stopped.", err=True)
        raise
    raise typer.Exit(code)


def demote(  # noqa: PLR0917 (typer passes by name)
    name: ModelName,
    alias: Alias = "champion",
    to: Annotated[
        int | None,
        typer.Option(
            "--to", metavar="VERSION", min=1, help="This earlier one; default: the last not forced against the gate."
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the history.")] = "",
    tracking_uri: TrackingUri = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Roll back: the alias returns to a version that had it before."""
    from fer_sweep.cli.registry import demote_model

    demote_model(name, alias=alias, to=to, reason=reason, tracking_uri=tracking_uri, home=home, as_json=as_json)


def history(
    name: ModelName, tracking_uri: TrackingUri = None, home: HomeFolder = DEFAULT_HOME, as_json: AsJson = False
) -> None:
    """Show a model's versions, and when and why its aliases moved."""
    from fer_sweep.cli.registry import show_history

    show_history(name, tracking_uri=tracking_uri, home=home, as_json=as_json)
