"""Finished trials as the events they were, for a tracker that missed some."""

import json
from collections.abc import Iterable, Iterator

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
        row = row_of(frozen)
        failure = None
        config = study.spec.base if row.state == "failed" else apply(study.spec.base, row.assignments)
        if row.state == "failed":
            kept = json.loads(frozen.user_attrs.get("failure", '{"kind": "error", "traceback": ""}'))
            failure = TrialFailure(number, kept["kind"], row.note, kept["traceback"])
        reused_from = frozen.user_attrs.get("reused_from")
        source = number if reused_from is None else reused_from
        result = load_result(study.files.result("search", source), key=config_key(config, study.split.hash))
        yield TrialFinished(Trial("search", number, config, row.assignments), row, result, failure, reused_from)
