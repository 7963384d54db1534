"""Finished trials as the events they were, for a tracker that missed some."""

from collections.abc import Iterable, Iterator

from fer_sweep.errors import SpecError
from fer_sweep.spec import apply
from fer_sweep.study.events import Trial, TrialFinished
from fer_sweep.study.journal import load_result
from fer_sweep.study.keys import config_key
from fer_sweep.study.store import row_of
from fer_sweep.study.study import OpenStudy
from fer_sweep.training.records import TrialFailure


def replay(study: OpenStudy, numbers: Iterable[int]) -> Iterator[TrialFinished]:
    """TrialFinished of finished trials of the search, from the database and the results on disk."""
    trials = study.store.trials()
    for number in numbers:
        frozen = trials[number]
        row, outcome = row_of(frozen), frozen.user_attrs.get("outcome", {})
        try:
            config = apply(study.spec.base, row.assignments)
        except SpecError:  # it failed for that
            config = study.spec.base
        failure = result = None
        reused_from = outcome.get("reused_from")
        if row.state == "failed":
            failure = TrialFailure(number, outcome["kind"], row.note, outcome["traceback"])
        else:
            source = number if reused_from is None else reused_from
            result = load_result(study.files.result("search", source), key=config_key(config, study.split.hash))
        yield TrialFinished(
            Trial("search", number, config, row.assignments, study.split.hash), row, result, failure, reused_from
        )
