"""Which configuration of a finished study is worth keeping as a model."""

from collections.abc import Mapping
from dataclasses import dataclass

from fer_sweep.errors import StudyError
from fer_sweep.spec import SweepSpec, TrialConfig, apply
from fer_sweep.spec.search import Scalar
from fer_sweep.study.events import Confirmed
from fer_sweep.study.summary import Summary, answer, beats_base


@dataclass(frozen=True)
class Choice:
    """A configuration of a study. confirmed: how it did on the confirmation's splits, None if it was not confirmed."""

    number: int
    config: TrialConfig
    assignments: Mapping[str, Scalar]
    confirmed: Confirmed | None


def choose(summary: Summary, spec: SweepSpec, *, number: int | None) -> Choice:
    """The trial with this number, or the best confirmed configuration if that beats the base.

    Raises StudyError if there is no such trial, or no configuration that was shown to be better than the base.
    """
    if number is None:
        number = _winner(summary)
    row = next((row for row in summary.rows if row.number == number), None)
    if row is None or row.state != "complete":
        what = "has no such trial" if row is None else f"ended it as {row.state}"
        raise StudyError(
            f"--trial {number}: study {summary.study!r} {what}. Name a complete trial; see them with fer-sweep status "
            f"{summary.study}."
        )
    config = spec.base if row.is_base else apply(spec.base, row.assignments)
    confirmed = next((c for c in summary.confirmed if c.trial.number == number), None)
    return Choice(number, config, row.assignments, confirmed)


def _winner(summary: Summary) -> int:
    if summary.best is None:
        raise StudyError(f"study {summary.study!r} has nothing to promote. {answer(summary)}")
    others = [c for c in summary.confirmed if c.trial.number != 0]
    if others and others[0].comparison is not None and beats_base(others[0].comparison, summary.goal):
        return others[0].trial.number
    if not summary.confirmed:
        remedy = (
            "Add one and run the sweep file again (nothing is trained twice), or name a trial yourself: --trial "
            f"{summary.best.number} is the best of the search."
        )
        raise StudyError(f"study {summary.study!r} has no confirmed configuration. {answer(summary)} {remedy}")
    named = "--trial 0 (the base)" + "".join(f" or --trial {c.trial.number}" for c in others[:1])
    raise StudyError(
        f"study {summary.study!r} has no configuration that was shown to be better than its base. {answer(summary)} To "
        f"promote one all the same, name it: {named}."
    )
