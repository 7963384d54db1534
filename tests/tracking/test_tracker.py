import csv
import json
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from mlflow.entities import Run

from fer_sweep.errors import TrackingError
from fer_sweep.spec import flatten
from fer_sweep.study.events import EpochReported, Event, TrialFinished, TrialStarted
from fer_sweep.study.home import Home
from fer_sweep.study.replay import replay
from fer_sweep.study.study import OpenStudy, open_study, run_study
from fer_sweep.tracking.address import store_of
from fer_sweep.tracking.entries import StudyOpened, to_entry
from fer_sweep.tracking.tracker import Tracker
from fer_sweep.training.metrics import METRICS, scores_on_test
from fer_sweep.training.records import TrialFailure
from tests.study.studies import inline
from tests.tracking.studies import (
    artifacts_of,
    children_of,
    client_of,
    finish,
    follow,
    metric_rows,
    new_home,
    now_ms,
    parent_of,
    runs_of,
    tiny,
    tracker_of,
)

MANY = ["run_cap=12", "protocol.repeats=1", "train.epochs=6", "model.hidden_units=2"]


class Tracked(NamedTuple):
    home: Home
    study: OpenStudy
    events: list[Event]

    @property
    def finished(self) -> dict[tuple[str, int], TrialFinished]:
        return {(e.trial.stage, e.trial.number): e for e in self.events if isinstance(e, TrialFinished)}


@contextmanager
def opened(home: Home, folder: Path, overrides: list[str] | None = None) -> Iterator[tuple[OpenStudy, Tracker]]:
    spec, samples = tiny(folder, overrides)
    with open_study(spec, samples, home) as study:
        yield study, tracker_of(study, home)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    """A study with a confirmation, tracked to its end."""
    folder = tmp_path_factory.mktemp("tracked")
    home = new_home(folder)
    with opened(home, folder, ["train.epochs=400", "confirm={top_k: 1, repeats: 2}"]) as (study, tracker):
        events = follow(study, tracker)
        finish(study, tracker, events)
    return Tracked(home, study, events)


def test_a_study_is_an_experiment_with_a_parent_run_and_a_child_per_trial(tracked: Tracked) -> None:
    parent, children = parent_of(tracked.home), children_of(tracked.home)

    assert set(children) == set(tracked.finished)
    assert {("search", n) for n in range(3)} < set(children)
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {parent.info.run_id}
    assert {run.info.status for run in runs_of(tracked.home)} == {"FINISHED"}
    assert parent.info.run_name == "tiny"
    assert children["search", 0].info.run_name == "base"
    assert children["search", 2].info.run_name == "trial 2"
    assert children["confirm", 0].info.run_name == "confirm base"


def test_params_are_the_settings_by_dotted_path(tracked: Tracked) -> None:
    for key, run in children_of(tracked.home).items():
        settings = flatten(tracked.finished[key].trial.config)
        assert set(run.data.params) == {path for path, value in settings.items() if value is not None}
        assert float(run.data.params["removal.alpha"]) == settings["removal.alpha"]
        assert run.data.params["train.normalize"] == "true"
    params = parent_of(tracked.home).data.params
    assert params["parameters.removal.alpha.max"] == "1.0"
    assert "run_cap" not in params


def test_series_over_epochs_equal_the_reports(tracked: Tracked) -> None:
    client = client_of(tracked.home)
    for key, run in children_of(tracked.home).items():
        reports = {
            e.report.epoch: e.report
            for e in tracked.events
            if isinstance(e, EpochReported) and (e.trial.stage, e.trial.number) == key
        }
        history = client.get_metric_history(run.info.run_id, "epoch/train_loss")
        assert {point.step: point.value for point in history} == {e: r.train_loss for e, r in reports.items()}
        assert 100 < len(history) <= 320
        assert sorted(history, key=lambda p: p.step) == sorted(history, key=lambda p: p.timestamp)
        expected = {
            "test_accuracy": {e: r.test.accuracy for e, r in reports.items()},
            "train_accuracy": {e: r.train_accuracy for e, r in reports.items()},
            "test_loss": {e: r.test_loss for e, r in reports.items()},
        }
        for name, values in expected.items():
            points = client.get_metric_history(run.info.run_id, f"epoch/{name}")
            assert {point.step: point.value for point in points} == values


def test_final_metrics_equal_the_metrics_module(tracked: Tracked) -> None:
    samples = tracked.study.samples
    for key, run in children_of(tracked.home).items():
        result = tracked.finished[key].result
        assert result is not None
        scores = scores_on_test(result, samples.y, samples.classes)
        for name in METRICS:
            assert run.data.metrics[f"test/{name}"] == scores.estimate(name).mean
            assert run.data.metrics[f"test/{name}_spread"] == scores.estimate(name).spread
        recalls = [run.data.metrics[f"test_recall/{name}"] for name in samples.class_names]
        assert recalls == scores.per_class.recall.tolist()
        assert run.data.metrics["objective"] == tracked.finished[key].row.mean


def test_a_trial_leaves_its_pictures_and_numbers(tracked: Tracked, tmp_path: Path) -> None:
    run = children_of(tracked.home)["search", 1]

    assert artifacts_of(tracked.home, run) == {
        "config.yaml", "confusion.png", "confusion.json", "loss_histograms.png", "loss_histograms.json", "history.npz",
        "removals.csv", "reliability.png", "training_curves.png", "per_class.csv", "removed_by_class.csv",
        "removed_by_class.png",
    }  # fmt: skip
    folder = Path(client_of(tracked.home).download_artifacts(run.info.run_id, "", str(tmp_path)))
    result = tracked.finished["search", 1].result
    assert result is not None
    history = np.load(folder / "history.npz")
    assert len(history["train_loss_0_1"]) == result.networks[1].epochs + 1
    assert history["train_loss_0_1"].tolist() == result.networks[1].train_loss.tolist()
    removed = list(csv.DictReader((folder / "removals.csv").read_text().splitlines()))
    assert len(removed) == sum(len(r.removed) for n in result.networks for r in n.removals) > 0
    assert np.sum(json.loads((folder / "confusion.json").read_text())["total"]) == 2 * 60
    assert (folder / "loss_histograms.png").read_bytes().startswith(b"\x89PNG")


def test_a_study_leaves_its_ranking_answer_splits_and_pictures(tracked: Tracked, tmp_path: Path) -> None:
    parent = parent_of(tracked.home)

    assert artifacts_of(tracked.home, parent) == {
        "sweep.yaml", "trials.csv", "answer.txt", "split.json", "confirmed.json", "best_so_far.png", "slices.png",
        "parallel_coordinates.html", "loss_histograms_by_trial.png", "importance.png",
    }  # fmt: skip
    folder = Path(client_of(tracked.home).download_artifacts(parent.info.run_id, "", str(tmp_path)))
    split = json.loads((folder / "split.json").read_text())
    assert len(split["class_counts"]) == 4
    assert sum(split["class_counts"][0]["train"]) + sum(split["class_counts"][0]["test"]) == 60
    ranking = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    assert [row["rank"] for row in ranking] == ["1", "2", "3"]
    assert [float(r["accuracy"]) for r in ranking] == sorted([float(r["accuracy"]) for r in ranking], reverse=True)
    assert "Ended by run_cap: 3 trials." in (folder / "answer.txt").read_text()
    assert "On fresh splits" in parent.data.tags["mlflow.note.content"]
    assert set(parent.data.metrics) >= {"search/best_so_far", "confirmed/base"}


def test_recording_again_changes_nothing(tracked: Tracked) -> None:
    def state() -> tuple[int, list[Run]]:
        return metric_rows(tracked.home), [run.info.run_id for run in runs_of(tracked.home)]

    before = state()
    with open_study(tracked.study.spec, tracked.study.samples, tracked.home) as study:
        tracker = tracker_of(study, tracked.home)
        for event in tracked.events:
            if isinstance(event, TrialFinished):
                tracker.record(event, at=now_ms())
        for run in children_of(tracked.home).values():  # as if each had been killed just before its end
            client_of(tracked.home).update_run(run.info.run_id, status="RUNNING")
        tracker = tracker_of(study, tracked.home)
        assert missing(tracker, tracked.events) == [0, 1, 2, 0, 1]
        for event in tracked.events:
            if isinstance(event, TrialStarted | TrialFinished):
                tracker.record(event, at=now_ms())
        finish(study, tracker, tracked.events)

    assert state() == before
    assert {run.info.status for run in runs_of(tracked.home)} == {"FINISHED"}


def test_importance_is_kept_once_there_are_enough_trials(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with opened(home, tmp_path, MANY) as (study, _):
        deque(run_study(study, executor=inline(study.samples)), maxlen=0)
        tracker = tracker_of(study, home)
        finish(study, tracker, [])

    assert {"importance.png", "importance.json"} < artifacts_of(home, parent_of(home))


def test_deleted_and_unfinished_runs_are_caught_up(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with opened(home, tmp_path) as (study, tracker):
        events = follow(study, tracker)
        finish(study, tracker, events)
        rows = metric_rows(home)
        client, before = client_of(home), children_of(home)
        client.delete_run(before["search", 1].info.run_id)
        client.update_run(before["search", 2].info.run_id, status="RUNNING")

        later = tracker_of(study, home)
        lacking = missing(later, events)
        for event in replay(study, lacking):
            later.record(event, at=now_ms())

        assert lacking == [1, 2]
        after = children_of(home)
        assert after["search", 1].info.run_id != before["search", 1].info.run_id
        assert after["search", 1].data.metrics == before["search", 1].data.metrics
        assert after["search", 1].data.params == before["search", 1].data.params
        assert {run.info.status for run in after.values()} == {"FINISHED"}
        deleted_rows = sum(
            len(client.get_metric_history(after["search", 1].info.run_id, k)) for k in after["search", 1].data.metrics
        )
        assert metric_rows(home) == rows + deleted_rows


def test_of_two_runs_of_a_trial_the_complete_one_stays(tmp_path: Path) -> None:
    """A request that was answered too late leaves an empty run with the same start."""
    home = new_home(tmp_path)
    with opened(home, tmp_path, ["run_cap=2", "train.epochs=6"]) as (study, tracker):
        events = follow(study, tracker)
        finish(study, tracker, events)
        client, before, parent = client_of(home), children_of(home), tracker.parent_run
        assert parent is not None
        for run in (before["search", 1], client.get_run(parent)):
            tags = {key: value for key, value in run.data.tags.items() if key != "fer.state"}
            client.create_run(run.info.experiment_id, start_time=run.info.start_time - 1, tags=tags)

        later = tracker_of(study, home)

        assert later.parent_run == parent
        assert missing(later, events) == []
        assert {key: run.info.run_id for key, run in children_of(home).items()} == {
            key: run.info.run_id for key, run in before.items()
        }
        assert len(client.search_runs([before["search", 1].info.experiment_id])) == len(before) + 1


def test_studies_of_one_name_from_two_homes_have_runs_of_their_own(tmp_path: Path) -> None:
    home, other = new_home(tmp_path), Home(tmp_path / "other")
    with opened(home, tmp_path, ["run_cap=1", "train.epochs=6"]) as (study, tracker):
        follow(study, tracker)
    theirs = {run.info.run_id: dict(run.data.params) for run in runs_of(home)}
    spec, samples = tiny(tmp_path, ["run_cap=1", "train.epochs=8"])

    with open_study(spec, samples, other) as study:
        ours = Tracker(client_of(home), study.facts, study.files, store_of(None, home))
        assert ours.namesakes == 1
        ours.record(StudyOpened({}), at=now_ms())
        events = follow(study, ours)
        finish(study, ours, events)

    runs = {run.info.run_id: run for run in runs_of(home)}
    assert {run_id: dict(runs[run_id].data.params) for run_id in theirs} == theirs
    assert [runs[run_id].info.status for run_id in theirs].count("RUNNING") == 1  # their study's, which goes on
    added = [run for run_id, run in runs.items() if run_id not in theirs]
    assert sorted(run.data.tags["fer.role"] for run in added) == ["study", "trial"]
    assert {run.data.params["train.epochs"] for run in added} == {"8"}
    assert len({run.data.tags["fer.study_id"] for run in runs.values()}) == 2


def test_a_study_of_before_there_were_ids_finds_its_runs(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with opened(home, tmp_path, ["run_cap=1", "train.epochs=6"]) as (study, _):
        study.store.id = ""
        old = tracker_of(study, home)
        events = follow(study, old)
        finish(study, old, events)

        again = tracker_of(study, home)

        assert "fer.study_id" not in parent_of_id(home, old.parent_run).data.tags
        assert (again.parent_run, again.namesakes) == (old.parent_run, 1)
        assert missing(again, events) == []


def parent_of_id(home: Home, run_id: str | None) -> Run:
    assert run_id is not None
    return client_of(home).get_run(run_id)


def test_children_follow_when_the_parent_run_was_deleted(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with opened(home, tmp_path, ["run_cap=1", "train.epochs=6"]) as (study, tracker):
        events = follow(study, tracker)
        assert tracker.parent_run is not None
        client_of(home).delete_run(tracker.parent_run)

        later = tracker_of(study, home)
        for event in replay(study, missing(later, events)):
            later.record(event, at=now_ms())

        assert children_of(home)["search", 0].data.tags["mlflow.parentRunId"] == later.parent_run


def test_an_interrupted_run_leaves_nothing_running_and_is_reused_on_resume(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with opened(home, tmp_path) as (study, tracker):
        events = follow(study, tracker, until=lambda e: isinstance(e, EpochReported) and e.trial.number == 1)
        finish(study, tracker, events, status="KILLED")
        parent, interrupted = parent_of(home), children_of(home)
        assert {run.info.status for run in runs_of(home)} <= {"KILLED", "FINISHED"}
        assert interrupted["search", 1].info.status == "KILLED"
        assert "Interrupted" in parent.data.tags["mlflow.note.content"]

    with opened(home, tmp_path) as (study, tracker):
        assert tracker.parent_run == parent.info.run_id
        events = follow(study, tracker)
        finish(study, tracker, events)

    assert {run.info.status for run in runs_of(home)} == {"FINISHED"}
    assert children_of(home)["search", 1].info.run_id == interrupted["search", 1].info.run_id


def test_a_run_killed_before_its_settings_were_written_gets_them_on_resume(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with opened(home, tmp_path, ["run_cap=1"]) as (study, tracker):
        client = client_of(home)
        tags = {"fer.study": "tiny", "fer.study_id": study.store.id, "fer.split_hash": study.split.hash,
                "fer.role": "trial", "fer.stage": "search", "fer.trial": "0",
                "mlflow.parentRunId": tracker.parent_run}  # fmt: skip
        bare = client.create_run(tracker.experiment, tags=tags, run_name="base")

        follow(study, tracker_of(study, home))

    run = children_of(home)["search", 0]
    assert run.info.run_id == bare.info.run_id
    assert run.data.params["train.epochs"] == "30"


def test_a_raised_run_cap_goes_on_in_the_same_parent_run(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    for cap in (1, 2):
        with opened(home, tmp_path, [f"run_cap={cap}", "train.epochs=6"]) as (study, tracker):
            finish(study, tracker, follow(study, tracker))

    assert len(children_of(home)) == 2
    assert parent_of(home).info.status == "FINISHED"


def test_pruned_trials_are_killed_and_failed_ones_failed(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with opened(home, tmp_path, ["run_cap=1", "train.epochs=6"]) as (study, tracker):
        events = follow(study, tracker)
        (finished,) = [e for e in events if isinstance(e, TrialFinished)]
        others = [ended(finished, 1, "pruned"), ended(finished, 2, "failed")]
        for event in others:
            tracker.record(event, at=now_ms())

        assert missing(tracker_of(study, home), [*events, *others]) == []
    children = children_of(home)
    assert children["search", 1].info.status == "KILLED"
    assert children["search", 2].info.status == "FAILED"
    assert children["search", 2].data.tags["fer.note"] == "no luck"
    assert artifacts_of(home, children["search", 2]) == {"config.yaml", "failure.txt"}


def test_an_interrupted_trial_that_is_pruned_later_is_not_taken_for_written(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with opened(home, tmp_path, ["run_cap=1", "train.epochs=6"]) as (study, tracker):
        events = follow(study, tracker)
        (finished,) = [e for e in events if isinstance(e, TrialFinished)]
        pruned = ended(finished, 1, "pruned")
        tracker.record(TrialStarted(pruned.trial), at=now_ms())
        finish(study, tracker, [], status="KILLED")

        later = tracker_of(study, home)
        assert missing(later, [pruned]) == [1]
        later.record(pruned, at=now_ms())

    assert "test/accuracy" in children_of(home)["search", 1].data.metrics


def missing(tracker: Tracker, events: Sequence[Event]) -> list[int]:
    """Numbers of the finished trials among the events that the store lacks."""
    finished = [event for event in events if isinstance(event, TrialFinished)]
    return [event.trial.number for event in finished if not tracker.holds(to_entry(event, at=0))]


def ended(event: TrialFinished, number: int, state: str) -> TrialFinished:
    """The same trial under another number, ended otherwise."""
    failed = state == "failed"
    row = replace(event.row, number=number, state=state, mean=None if failed else event.row.mean, note="no luck")  # type: ignore[arg-type]
    failure = TrialFailure(number, "error", "no luck", "Traceback") if failed else None
    return TrialFinished(replace(event.trial, number=number), row, None if failed else event.result, failure)


@pytest.mark.parametrize(
    "names",
    [
        ("An/ger", "100 %", "Fröhlich", "悲しい", "a.b", "..", ""),
        ("a/b", "a_b", "a%b", "x" * 300, "O'Brien", '"quoted"', "new\nline"),
    ],
)
def test_class_names_cannot_break_metric_keys(tmp_path: Path, names: tuple[str, ...]) -> None:
    home = new_home(tmp_path)
    spec, samples = tiny(tmp_path, ["run_cap=1", "train.epochs=6"], class_names=names)
    with open_study(spec, samples, home) as study:
        tracker = tracker_of(study, home)
        finish(study, tracker, follow(study, tracker))

    recalls = [key for key in children_of(home)["search", 0].data.metrics if key.startswith("test_recall/")]
    assert len(recalls) == 7


def test_a_deleted_experiment_is_explained(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    client = client_of(home)
    client.delete_experiment(client.create_experiment("tiny"))

    deleted = r"'tiny' was deleted in the UI but its name is still taken\. Restore it"
    with pytest.raises(TrackingError, match=deleted), opened(home, tmp_path):
        pass
