"""Live progress: one bar for the study, one for the trials that are running. In a pipe: one line per finished trial."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fer_sweep.study.events import (
    Confirmed,
    EpochReported,
    Event,
    SearchEnded,
    StudyPaused,
    StudyResumed,
    TrialFinished,
    TrialInterrupted,
    TrialStarted,
)
from fer_sweep.study.summary import describe


def noted_bars(console: Console) -> Progress:
    """Bars that count, each with a `note` beside it; they leave nothing behind, and are not there in a pipe."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class StudyProgress:
    """Shows the events of a study. total: trials to expect, None when unknown; done: those of earlier runs."""

    def __init__(self, console: Console, *, total: int | None, done: int) -> None:
        self._console = console
        self._progress = noted_bars(console)
        self._study = self._progress.add_task("trials", total=total, completed=done, note="")
        self._epochs = self._progress.add_task("epochs", total=None, note="", visible=False)
        self._running: dict[tuple[str, int], tuple[int, int]] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        """Show one event."""
        match event:
            case TrialStarted(trial=trial):
                self._running[trial.stage, trial.number] = (0, trial.config.train.last_epoch)
                self._show_epochs("")
            case EpochReported(trial=trial, report=report):
                self._running[trial.stage, trial.number] = (report.epoch, report.last_epoch)
                accuracy = (report.validation or report.test).accuracy
                self._show_epochs(f"loss {report.train_loss:.3f}, accuracy {100 * accuracy:.2f} %")
            case TrialInterrupted(trial=trial, why=why):
                self._console.print(f"warning: trial {trial.number} runs again: {why}", style="yellow", soft_wrap=True)
            case StudyPaused(since=since):
                self._console.print(f"paused since {since}; fer-sweep resume lets it go on", soft_wrap=True)
            case StudyResumed():
                self._console.print("resumed")
            case TrialFinished():
                self._finished(event)
            case SearchEnded(reason=reason):
                self._console.print(f"search ended by {reason}", soft_wrap=True)
            case Confirmed(trial=trial, metric=metric):
                spread = "" if metric.spread is None else f" ± {100 * metric.spread:.2f}"
                self._console.print(
                    f"confirmed {describe(trial.assignments)}: {100 * metric.mean:.2f}{spread} % (n = {metric.n})",
                    soft_wrap=True,
                )
            case _:
                pass

    def _show_epochs(self, note: str) -> None:
        """The bar of the trials that run side by side: epochs, summed over them. Not there while none runs."""
        numbers = [number for _, number in self._running]
        self._progress.update(
            self._epochs,
            completed=sum(epoch for epoch, _ in self._running.values()),
            total=sum(last for _, last in self._running.values()),
            description=f"epochs of trial {numbers[0]}" if len(numbers) == 1 else f"epochs of {len(numbers)} trials",
            note=note,
            visible=bool(numbers),
        )

    def _finished(self, event: TrialFinished) -> None:
        row, trial = event.row, event.trial
        self._running.pop((trial.stage, trial.number), None)
        label = "base" if trial.number == 0 else f"trial {trial.number}"
        if trial.stage == "confirm":
            label = f"confirmation of {label}"
        else:
            self._progress.advance(self._study)
        value = "" if row.mean is None else f" {100 * row.mean:.2f} %"
        notes = [text for text in (row.origin, row.note) if text]
        note = f" ({', '.join(notes)})" if notes else ""
        what = f": {describe(trial.assignments)}" if trial.assignments else ""
        self._console.print(f"{label} {row.state}{value}{what}{note}", soft_wrap=True)
        self._show_epochs("")
