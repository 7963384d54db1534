"""What the coordinator notes, and what it does not note twice."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from fer_sweep.study.events import EpochReported, TrialFinished
from fer_sweep.study.study import OpenStudy, run_study
from fer_sweep.tracking import recorder as recorder_module
from fer_sweep.tracking.outbox import Entry, read_outbox
from fer_sweep.tracking.recorder import Recorder
from tests.study.studies import inline, opened, sweep


def kinds(study: OpenStudy) -> list[str]:
    return [entry.kind for entry in entries(study)]


def entries(study: OpenStudy) -> list[Entry]:
    return [line.entry for line in read_outbox(study.files.outbox) if line.entry is not None]


def record_all(study: OpenStudy) -> None:
    with (
        Recorder(study, provenance={"hostname": "here"}) as recorder,
        closing(run_study(study, executor=inline(study.samples))) as events,
    ):
        for event in events:
            recorder.record(event)


def test_a_short_trial_is_noted_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    with opened(sweep(run_cap=2, resources={"trials_at_once": 1}), tmp_path) as study:
        record_all(study)

        assert kinds(study) == ["opened", "started", "finished", "started", "finished"]


def test_a_long_trial_is_noted_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "LIVE_SECONDS", 0.0)
    with opened(sweep(run_cap=1), tmp_path) as study:
        record_all(study)

        assert kinds(study) == ["opened", "started", *["reported"] * 11, "finished"]


def test_what_has_been_noted_is_not_noted_again_when_a_study_goes_on(tmp_path: Path) -> None:
    with opened(sweep(run_cap=2), tmp_path) as study:
        record_all(study)
        before = kinds(study)

        record_all(study)

        assert kinds(study) == [*before, "opened"]


def test_finished_trials_that_the_outbox_lacks_are_taken_in(tmp_path: Path) -> None:
    with opened(sweep(run_cap=3), tmp_path) as study:
        with closing(run_study(study, executor=inline(study.samples))) as events:
            finished = [event for event in events if isinstance(event, TrialFinished)]

        with Recorder(study, provenance={}) as recorder:
            assert recorder.catch_up() == 3
            assert recorder.catch_up() == 0

        noted = [entry.body["row"] for entry in entries(study) if entry.kind == "finished"]
        assert [row["number"] for row in noted] == [event.trial.number for event in finished]
        assert [row["mean"] for row in noted] == [event.row.mean for event in finished]


def test_damage_is_counted_and_what_it_cost_is_noted_anew(tmp_path: Path) -> None:
    with opened(sweep(run_cap=2, resources={"trials_at_once": 1}), tmp_path) as study:
        record_all(study)
        lines = study.files.outbox.read_bytes().splitlines(keepends=True)
        lines[2] = b"?" + lines[2][1:]  # the first end
        study.files.outbox.write_bytes(b"".join(lines) + b"half a li")

        with Recorder(study, provenance={}) as recorder:
            assert (recorder.damaged, recorder.dropped) == (1, 9)
            assert recorder.catch_up() == 1


def test_reports_are_not_what_is_noted_of_other_events(tmp_path: Path) -> None:
    with opened(sweep(run_cap=1), tmp_path) as study, Recorder(study, provenance={}) as recorder:
        with closing(run_study(study, executor=inline(study.samples))) as events:
            report = next(event for event in events if isinstance(event, EpochReported))
        recorder.record(report)  # of a trial that has not begun, as far as this recorder knows

        assert kinds(study) == ["opened"]


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_that_is_set_leaves_the_order_of_what_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    now = time.time_ns
    begun = now()
    jump = [0]
    monkeypatch.setattr(time, "time_ns", lambda: now() + jump[0])
    spec = sweep(run_cap=3, resources={"trials_at_once": 1}, budget={"max_hours": 1})
    with (
        opened(spec, tmp_path) as study,
        Recorder(study, provenance={}) as recorder,
        closing(run_study(study, executor=inline(study.samples))) as events,
    ):
        for event in events:
            recorder.record(event)
            if isinstance(event, TrialFinished) and event.trial.number == 0:
                jump[0] = hours * 3600 * 10**9

        times = [entry.at for entry in entries(study)]
        assert [row.state for row in study.store.rows()] == ["complete"] * 3  # the budget of an hour is not spent
    assert times == sorted(times)
    assert times[0] >= begun // 1_000_000
    assert (times[-1] - times[0] >= 24 * 3600 * 1000) == (hours > 0)
