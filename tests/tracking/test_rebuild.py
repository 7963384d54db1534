"""MLflow lost something of a study: it gets back what it had."""

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from benchmarks.outages import content
from fer_sweep.errors import StudyError
from fer_sweep.study.events import TrialFinished
from fer_sweep.study.facts import load_facts
from fer_sweep.study.home import Home
from fer_sweep.study.importance import importance
from fer_sweep.study.lock import coordinator_lock
from fer_sweep.study.study import open_study, run_study
from fer_sweep.tracking.address import store_of
from fer_sweep.tracking.completion import complete_outbox
from fer_sweep.tracking.entries import Status
from fer_sweep.tracking.outbox import Entry, read_outbox
from fer_sweep.tracking.outbox_state import outbox_state
from fer_sweep.tracking.rebuild import close_orphans, rebuild, send
from fer_sweep.tracking.recorder import Recorder
from tests.study.studies import inline
from tests.tracking.studies import client_of, new_home, parent_of, runs_of, summary_of, tiny

Content = dict[tuple[str, str], object]
TINY = ["run_cap=2", "train.epochs=12", "confirm={top_k: 1, repeats: 2}"]


def record(home: Home, folder: Path, *, until: Callable[[object], bool] = lambda _: False) -> None:
    """Run a study as `run` does, offline. until: where its process dies, without a word."""
    spec, samples = tiny(folder, TINY)
    with open_study(spec, samples, home) as study, Recorder(study, provenance={"hostname": "here"}) as recorder:
        recorder.catch_up()
        events = []
        with closing(run_study(study, executor=inline(study.samples))) as happening:
            for event in happening:
                recorder.record(event)
                events.append(event)
                if until(event):
                    return
        status: Status = "FINISHED"
        shares = importance(study.store.trials(), study.spec.metric.goal)
        recorder.finish(summary_of(study, events), shares, status=status)


def send_all(home: Home) -> None:
    send(load_facts("tiny", home.study("tiny")), home.study("tiny"), store_of(None, home))


def anew(home: Home) -> Content:
    """Rebuild, and what MLflow has then."""
    rebuild("tiny", home, store_of(None, home))
    return content_of(home)


def content_of(home: Home) -> Content:
    return content(home.root, "tiny")


def times_of(home: Home) -> dict[tuple[str, str], object]:
    """Begin, end and the times of all points, of every run."""
    client = client_of(home)
    found: dict[tuple[str, str], object] = {}
    for run in runs_of(home):
        found[run.info.run_name, "run"] = (run.info.start_time, run.info.end_time)
        for key in run.data.metrics:
            points = client.get_metric_history(run.info.run_id, key)
            found[run.info.run_name, key] = sorted((point.step, point.timestamp) for point in points)
    return found


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A finished and sent study."""
    folder = tmp_path_factory.mktemp("original")
    home = new_home(folder)
    record(home, folder)
    send_all(home)
    return home


@pytest.fixture(scope="module")
def before(original: Home) -> Content:
    found = content_of(original)
    assert len({label for label, _ in found}) == 5  # the study, two trials, two confirmations
    return found


@pytest.fixture
def lost(original: Home, tmp_path: Path) -> Home:
    """The study after its store was deleted, with a note that the store had everything. A copy: MLflow keeps the file
    of a store open for as long as a process lives."""
    (tmp_path / "lost").mkdir()
    home = new_home(tmp_path / "lost")
    shutil.copy(original.optuna_file, home.optuna_file)
    shutil.copytree(original.study("tiny").root, home.study("tiny").root)  # with the times of its files
    sent = home.study("tiny").outbox.stat().st_size
    home.study("tiny").sent.write_text(json.dumps({store_of(None, home).name: sent}))
    return home


def test_runs_and_experiments_deleted_in_the_ui_come_back_as_they_were(
    original: Home, before: Content, tmp_path: Path
) -> None:
    ids, times = {run.info.run_id for run in runs_of(original)}, times_of(original)
    client: MlflowClient = client_of(original)
    for run in runs_of(original):
        client.delete_run(run.info.run_id)
    client.delete_experiment(run.info.experiment_id)

    assert anew(original) == before

    assert {run.info.run_id for run in runs_of(original)} == ids
    assert times_of(original) == times


def test_a_run_that_lost_its_files_is_written_again(original: Home, before: Content, tmp_path: Path) -> None:
    ids = {run.info.run_id for run in runs_of(original)}
    shutil.rmtree(original.artifacts)

    rebuilt = rebuild("tiny", original, store_of(None, original))

    assert (rebuilt.made, rebuilt.restored, rebuilt.rewritten, rebuilt.entries) == (0, 0, 5, 0)
    assert content_of(original) == before
    assert {run.info.run_id for run in runs_of(original)} == ids


def test_a_lost_store_is_filled_again_with_the_same_times(
    original: Home, lost: Home, before: Content, tmp_path: Path
) -> None:
    rebuilt = rebuild("tiny", lost, store_of(None, lost))

    assert (rebuilt.made, rebuilt.entries, rebuilt.refused) == (5, 0, ())
    assert content_of(lost) == before
    assert times_of(lost) == times_of(original)


def test_a_lost_outbox_is_made_anew_too(original: Home, lost: Home, before: Content, tmp_path: Path) -> None:
    lost.study("tiny").outbox.unlink()

    rebuilt = rebuild("tiny", lost, store_of(None, lost))

    assert (rebuilt.made, rebuilt.entries) == (5, 1 + 2 * 4 + 1)
    assert content_of(lost) == before
    # begin and end of a trial come from the database of searches: a moment before they were noted
    known, found = times_of(original), times_of(lost)
    for label in {label for label, _ in known}:
        assert found[label, "run"] == pytest.approx(known[label, "run"], abs=3000)


def test_damage_in_the_outbox_costs_nothing(lost: Home) -> None:
    outbox = lost.study("tiny").outbox
    lines = list(read_outbox(outbox))
    kept = [line.entry for line in lines if line.entry is not None and line.entry.kind != "reported"]
    text = bytearray(outbox.read_bytes())
    begins = [
        begin
        for begin, line in zip([0, *(line.end for line in lines)], lines, strict=False)
        if line.entry is not None and line.entry.kind != "reported"  # what they say is in the result too
    ]
    damaged = {*begins[1::2], begins[-1]}  # every other line, and the last
    for begin in damaged:
        text[begin + 20] ^= 1
    outbox.write_bytes(text + b"torn")
    state = outbox_state(lost, "tiny")
    assert (state.damaged, state.torn, state.is_whole) == (len(damaged), 4, False)

    assert complete_outbox(load_facts("tiny", lost.study("tiny")), lost) == len(damaged)

    state = outbox_state(lost, "tiny")
    assert state.is_whole
    assert sorted(said(entry) for entry in state.entries if entry.kind != "reported") == sorted(map(said, kept))
    assert state.is_ended
    assert lost.study("tiny").damaged_outbox.read_bytes() == bytes(text) + b"torn"
    assert not lost.study("tiny").sent.exists()


def said(entry: Entry) -> str:
    """An entry without its time."""
    return json.dumps([entry.kind, entry.body], sort_keys=True)


def test_a_whole_outbox_has_nothing_to_complete(original: Home) -> None:
    text = original.study("tiny").outbox.read_bytes()

    assert complete_outbox(load_facts("tiny", original.study("tiny")), original) == 0

    assert original.study("tiny").outbox.read_bytes() == text


def test_without_a_database_the_outbox_stays_what_it_is(lost: Home) -> None:
    lost.optuna_file.unlink()

    assert complete_outbox(load_facts("tiny", lost.study("tiny")), lost) == 0

    assert not lost.optuna_file.exists()


def test_a_study_that_is_being_run_is_left_alone(original: Home) -> None:
    with (
        coordinator_lock("tiny", original.study("tiny")),
        pytest.raises(StudyError, match=r"'tiny' is already being run by process \d+"),
    ):
        rebuild("tiny", original, store_of(None, original))


def test_a_study_whose_process_died_gets_the_end_of_an_interruption_and_can_go_on(
    before: Content, tmp_path: Path
) -> None:
    home = new_home(tmp_path)
    record(home, tmp_path, until=lambda event: isinstance(event, TrialFinished))
    send_all(home)
    assert parent_of(home).info.status == "RUNNING"

    assert close_orphans("tiny", home, store_of(None, home)) == 2  # both trials are asked together; one was done

    statuses = {run.info.run_name: run.info.status for run in runs_of(home)}
    assert statuses == {"tiny": "KILLED", "base": "FINISHED", "trial 1": "KILLED"}
    assert outbox_state(home, "tiny").is_ended
    record(home, tmp_path)
    send_all(home)
    assert content_of(home) == before
