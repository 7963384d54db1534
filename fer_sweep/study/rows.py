"""Rows of a study: one line per trial, small enough to keep thousands in memory, enough to rank and to plot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fer_sweep.spec.search import Scalar

State = Literal["complete", "pruned", "failed", "running", "skipped"]
Part = Literal["test", "validation"]
"""Which part of the data the scores of a search's trials are of."""
ENDS: tuple[State, ...] = ("complete", "pruned", "failed")


@dataclass(frozen=True)
class TrialRow:
    """One trial of a study. `mean` and `spread` are of the objective metric: mean over networks, standard deviation
    over repeats (None with one repeat); n = number of networks. Trial 0 is the base. origin: `enqueued`, `retry of
    trial 3`, or empty where the method proposed it; reused_from: the equal trial whose end it took."""

    number: int
    state: State
    assignments: Mapping[str, Scalar]
    mean: float | None
    spread: float | None
    n: int
    seconds: float
    note: str = ""
    origin: str = ""
    reused_from: int | None = None

    @property
    def is_base(self) -> bool:
        return self.number == 0


def ranked(rows: Sequence[TrialRow], goal: Literal["maximize", "minimize"]) -> list[TrialRow]:
    """Complete trials, best first; equal means keep the order of their numbers."""
    complete = [row for row in rows if row.state == "complete" and row.mean is not None]
    sign = -1.0 if goal == "maximize" else 1.0
    return sorted(complete, key=lambda row: (sign * (row.mean or 0.0), row.number))
