"""Events survive the outbox."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from fer_sweep.study.events import EpochReported, TrialFinished, TrialStarted
from fer_sweep.study.study import run_study
from fer_sweep.tracking.entries import StudyEnded, StudyOpened, TrackedEvent, to_entry, to_event
from fer_sweep.tracking.outbox import Entry
from tests.study.studies import DIVERGES, SGD, inline, opened, sweep
from tests.tracking.studies import summary_of


def test_every_event_of_a_study_comes_back_as_it_was(tmp_path: Path) -> None:
    spec = sweep({"train.weight_decay": DIVERGES}, train=SGD, run_cap=2, confirm={"top_k": 1, "repeats": 2})
    with opened(spec, tmp_path) as study:
        with closing(run_study(study, executor=inline(study.samples))) as running:
            seen = list(running)
        ended = StudyEnded("FINISHED", summary_of(study, seen), {"train.weight_decay": 1.0})
        tracked: list[TrackedEvent] = [StudyOpened({"hostname": "here"}), ended]
        tracked += [event for event in seen if isinstance(event, TrialStarted | EpochReported | TrialFinished)]

        back = [to_event(through_json(to_entry(event, at=7)), study.facts, study.files) for event in tracked]

    assert {type(event) for event in tracked} == {
        StudyOpened, TrialStarted, EpochReported, TrialFinished, StudyEnded,
    }  # fmt: skip
    failures = [event for event in tracked if isinstance(event, TrialFinished) and event.failure is not None]
    assert failures
    for before, after in zip(tracked, back, strict=True):
        if isinstance(before, TrialFinished) and before.result is not None:
            assert isinstance(after, TrialFinished)
            assert after.result is not None
            assert after.result.reports == before.result.reports
            assert replace(after, result=None) == replace(before, result=None)
        else:
            assert after == before


def test_a_result_whose_file_is_gone_is_told_as_none(tmp_path: Path) -> None:
    with (
        opened(sweep(run_cap=1), tmp_path) as study,
        closing(run_study(study, executor=inline(study.samples))) as running,
    ):
        finished = next(event for event in running if isinstance(event, TrialFinished))
        study.files.result("search", 0).unlink()

        event = to_event(to_entry(finished, at=7), study.facts, study.files)

    assert isinstance(event, TrialFinished)
    assert event == replace(finished, result=None)


def through_json(entry: Entry) -> Entry:
    return Entry(entry.at, entry.kind, json.loads(json.dumps(entry.body)))
