"""Verbs that steer a study, whether it runs or not. Each imports what it needs when it is called."""

from typing import Annotated

import typer

from fer_sweep.cli.options import AsJson, HomeFolder, Storage
from fer_sweep.study.home import DEFAULT_HOME, Home

Study = Annotated[str, typer.Argument(metavar="STUDY", help="Its name.", show_default=False)]


def stop(study: Study, storage: Storage = None, home: HomeFolder = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Let a running study end in order: running trials end, nothing new is asked, nothing is confirmed."""
    from fer_sweep.cli.steering import end_study

    end_study(study, "stop", home=Home(home, storage), as_json=as_json)


def cancel(study: Study, storage: Storage = None, home: HomeFolder = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """End a running study now, as Ctrl-C does: checkpoints are written, its run command resumes it."""
    from fer_sweep.cli.steering import end_study

    end_study(study, "cancel", home=Home(home, storage), as_json=as_json)


def pause(study: Study, storage: Storage = None, home: HomeFolder = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Let a study ask nothing new until it is resumed, over restarts too. Its time budget stands still."""
    from fer_sweep.cli.steering import pause_study

    pause_study(study, home=Home(home, storage), as_json=as_json)


def resume(study: Study, storage: Storage = None, home: HomeFolder = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Let a paused study go on."""
    from fer_sweep.cli.steering import resume_study

    resume_study(study, home=Home(home, storage), as_json=as_json)


def retry(  # noqa: PLR0917 (typer passes by name)
    study: Study,
    trials: Annotated[
        list[int] | None, typer.Argument(metavar="[TRIAL]...", help="Numbers of failed trials.", show_default=False)
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All that have failed.")] = False,
    storage: Storage = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Let failed trials run again under new numbers; they take the places of the failed ones."""
    if failed == bool(trials):
        raise typer.BadParameter("name failed trials, or say --failed for all of them", param_hint="[TRIAL]...")
    from fer_sweep.cli.steering import retry_trials

    retry_trials(study, trials or [], home=Home(home, storage), as_json=as_json)


def enqueue(
    study: Study,
    assignments: Annotated[
        list[str],
        typer.Argument(metavar="PATH=VALUE...", help="Searched parameters; the others are as in the base."),
    ],
    storage: Storage = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Let a configuration of yours be the next trial. It counts for run_cap."""
    from fer_sweep.cli.steering import enqueue_trial

    enqueue_trial(study, assignments, home=Home(home, storage), as_json=as_json)


def logs(  # noqa: PLR0917 (typer passes by name)
    study: Study,
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="Its number, or confirm/3.", show_default=False)],
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the trial has ended.")] = False,
    storage: Storage = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Show what a trial printed, and its traceback and reason if it failed."""
    if follow and as_json:
        raise typer.BadParameter("--follow prints as it comes; leave out --json", param_hint="--follow")
    from fer_sweep.cli.logs import show_logs

    show_logs(study, trial, follow=follow, home=Home(home, storage), as_json=as_json)
