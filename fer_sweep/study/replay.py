"""Finished trials as the events they were, for a tracker that missed some."""

from collections.abc import Iterable, Iterator

from optuna.trial import FrozenTrial

from fer_sweep.errors import SpecError
from fer_sweep.spec import SweepSpec, apply
from fer_sweep.study.events import Trial, TrialFinished
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.journal import load_result
from fer_sweep.study.keys import config_key
from fer_sweep.study.store import row_of
from fer_sweep.study.study import OpenStudy
from fer_sweep.training.records import TrialFailure


def replay(study: OpenStudy, numbers: Iterable[int]) -> Iterator[TrialFinished]:
    """TrialFinished of finished trials of the search, from the database and the results on disk."""
    for number in numbers:
        yield finished(study.store.trials()[number], study.spec, study.split.hash, study.files)


def finished(frozen: FrozenTrial, spec: SweepSpec, split_hash: str, files: StudyFiles) -> TrialFinished:
    """The event that a finished trial of the search was. A result whose file is gone or damaged is None."""
    row, outcome, number = row_of(frozen), frozen.user_attrs.get("outcome", {}), frozen.number
    try:
        config = apply(spec.base, row.assignments)
    except SpecError:  # it failed for that
        config = spec.base
    failure = result = None
    reused_from = outcome.get("reused_from")
    if row.state == "failed":
        failure = TrialFailure(number, outcome["kind"], row.note, outcome["traceback"])
    else:
        source = number if reused_from is None else reused_from
        result = load_result(files.result("search", source), key=config_key(config, split_hash))
    trial = Trial("search", number, config, row.assignments, split_hash)
    return TrialFinished(trial, row, result, failure, reused_from)
