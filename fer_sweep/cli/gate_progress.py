"""Live progress of a promotion: the model's training, then the gate's two sides. In a pipe: a line per side."""

from collections.abc import Generator
from contextlib import closing
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console

from fer_sweep.cli.progress import noted_bars
from fer_sweep.study.gate import GateEvent, GateMeasured, GateReported, GateStarted
from fer_sweep.training.records import EpochReport

T = TypeVar("T")


class GateProgress:
    """Shows what a promotion does, and brings what comes out of it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = noted_bars(console)
        self._task = self._progress.add_task("", total=None, note="", visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def follow(self, events: Generator[EpochReport, None, T] | Generator[GateEvent, None, T]) -> T:
        """Show every event to the last, and return what they end with."""
        with closing(events):
            while True:
                try:
                    self._show(next(events))
                except StopIteration as end:
                    result: T = end.value
                    return result

    def _show(self, event: EpochReport | GateEvent) -> None:
        match event:
            case EpochReport():
                self._epoch("training the model", event, f"loss {event.train_loss:.3f}")
            case GateReported(role=role, report=report):
                note = f"loss {report.train_loss:.3f}, accuracy {100 * report.test.accuracy:.2f} %"
                self._epoch(f"gate: {role}", report, note)
            case GateStarted(role=role, last_epoch=last):
                self._progress.update(
                    self._task, description=f"gate: {role}", completed=0, total=last, note="", visible=True
                )
            case GateMeasured(role=role, metric=metric, reused=reused):
                value = "could not be measured" if metric is None else f"{100 * metric.mean:.2f} % (n = {metric.n})"
                kept = ", measured before" if reused else ""
                self._console.print(f"gate: {role} {value}{kept}", soft_wrap=True)

    def _epoch(self, what: str, report: EpochReport, note: str) -> None:
        self._progress.update(
            self._task, description=what, completed=report.epoch, total=report.last_epoch, note=note, visible=True
        )
