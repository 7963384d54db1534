"""What the pages of a study's runs show: their notes, and the metrics of the study itself."""

from itertools import takewhile

from mlflow.entities import Metric

from fer_sweep.study.events import Trial
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.summary import Summary, answer, describe


def study_note(summary: Summary, description: str) -> str:
    """The description of the study's run, in markdown: question, answer, and what to know before believing it."""
    labels = "\n".join(f"- {label}" for label in summary.labels)
    parts = [description, f"**{answer(summary)}**", labels, ended_by(summary)]
    return "\n\n".join(part for part in parts if part)


def trial_note(row: TrialRow, trial: Trial, *, metric: str) -> str:
    """The description of a finished trial's run, in markdown: how it did, what was searched, and why it ended early."""
    value = "" if row.mean is None else f": {metric} {100 * row.mean:.2f}"
    if value:
        value += f" ± {100 * row.spread:.2f} %" if row.spread is not None else " %"
        value += f" (n = {row.n} networks)"
    parts = [f"**{row.state}{value}**", describe(trial.assignments), row.note]
    return "\n\n".join(part for part in parts if part)


def ended_by(summary: Summary) -> str:
    """Why the study stopped."""
    return f"Ended by {summary.reason}." if summary.reason else "Interrupted: the same command resumes it."


def study_metrics(summary: Summary, *, start_ms: int) -> list[Metric]:
    """Best value so far over the trials, and the confirmed means; timestamps derive from the start."""
    sign = 1.0 if summary.goal == "maximize" else -1.0
    metrics, best = [], float("-inf")
    # a trial that is still running may change what was best after it
    for row in takewhile(lambda row: row.state != "running", summary.rows):
        if row.state == "complete" and row.mean is not None:
            best = max(best, sign * row.mean)
            metrics.append(Metric("search/best_so_far", sign * best, start_ms + row.number, row.number))
    for confirmed in summary.confirmed:
        name = "base" if confirmed.trial.number == 0 else f"trial_{confirmed.trial.number}"
        metrics.append(Metric(f"confirmed/{name}", confirmed.metric.mean, start_ms, 0))
    return metrics
