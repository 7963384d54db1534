"""Small real studies for tests of what is tracked."""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from fer_sweep.data import load_samples
from fer_sweep.data.samples import Samples
from fer_sweep.spec import SweepSpec, load_sweep
from fer_sweep.study.events import Event, StudyFinished, TrialFinished, TrialStarted
from fer_sweep.study.home import Home
from fer_sweep.study.importance import importance
from fer_sweep.study.study import OpenStudy, run_study
from fer_sweep.study.summary import Summary, summarize
from fer_sweep.tracking.address import store_of
from fer_sweep.tracking.client import open_client
from fer_sweep.tracking.entries import Status, StudyEnded, StudyOpened
from fer_sweep.tracking.recorder import Recorder
from fer_sweep.tracking.tracker import Tracker
from tests.study.studies import inline, opened, sweep

TINY = """\
name: tiny
description: Is it tracked?
data: {source: synthetic_features, samples: 60, persons: 12, separation: 2.5, wrong_labels: 0.15, seed: 1}
protocol: {folds: 2, repeats: 2, split: person, seed: 0}
model: {kind: mlp, hidden_units: 8}
train: {optimizer: adam, learning_rate: 0.01, epochs: 30}
removal: {rule: bdr, start: 5, interval: 5, stop_variance: 0.0, min_per_class: 1}
method: random
parameters:
  train.learning_rate: {distribution: log_uniform_values, min: 1e-3, max: 1e-1}
  removal.alpha: {min: 0.0, max: 1.0}
run_cap: 3
"""


def write_tiny(folder: Path, text: str = TINY) -> Path:
    file = folder / "tiny.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def new_home(folder: Path) -> Home:
    """A home whose MLflow store exists already: making one takes two seconds."""
    home = Home(folder / "home")
    home.root.mkdir()
    shutil.copy(_empty_store(), home.mlflow_file)
    return home


@cache
def _empty_store() -> Path:
    home = Home(Path(tempfile.mkdtemp(prefix="fer-sweep-tests-")))
    open_client(store_of(None, home))
    return home.mlflow_file


def tiny(
    folder: Path, overrides: list[str] | None = None, *, class_names: tuple[str, ...] | None = None
) -> tuple[SweepSpec, Samples]:
    spec = load_sweep(write_tiny(folder), overrides or [])
    samples = load_samples(spec.data)
    return spec, samples if class_names is None else replace(samples, class_names=class_names)


def client_of(home: Home) -> MlflowClient:
    return open_client(store_of(None, home))


def tracker_of(study: OpenStudy, home: Home) -> Tracker:
    tracker = Tracker(client_of(home), study.facts, study.files, store_of(None, home))
    tracker.record(StudyOpened({"hostname": "here"}), at=now_ms())
    return tracker


@contextmanager
def recorded(folder: Path) -> Iterator[OpenStudy]:
    """A study of two trials, in the outbox of a new home and nowhere else."""
    home = new_home(folder)
    with opened(sweep(run_cap=2, resources={"trials_at_once": 1}), home.root) as study:
        with (
            Recorder(study, provenance={"hostname": "here"}) as recorder,
            closing(run_study(study, executor=inline(study.samples))) as run,
        ):
            for event in run:
                recorder.record(event)
        yield study


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def follow(study: OpenStudy, tracker: Tracker, until: Callable[[Event], bool] = lambda event: False) -> list[Event]:
    """Run a study and track it, to its end or to the first event that `until` holds for (which is tracked too)."""
    seen: list[Event] = []
    with closing(run_study(study, executor=inline(study.samples))) as events:
        for event in events:
            if isinstance(event, TrialStarted | TrialFinished):
                tracker.record(event, at=now_ms())
            seen.append(event)
            if until(event):
                break
    return seen


def summary_of(study: OpenStudy, events: list[Event]) -> Summary:
    end = next((event for event in events if isinstance(event, StudyFinished)), None)
    return summarize(
        study.name,
        study.spec,
        study.samples,
        study.split,
        study.store.rows(),
        confirmed=() if end is None else end.confirmed,
        reason="" if end is None else end.reason,
    )


def finish(study: OpenStudy, tracker: Tracker, events: list[Event], *, status: Status = "FINISHED") -> None:
    ended = StudyEnded(status, summary_of(study, events), importance(study.store.trials(), study.spec.metric.goal))
    tracker.record(ended, at=now_ms())


def runs_of(home: Home, name: str = "tiny") -> list[Run]:
    client = client_of(home)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def parent_of(home: Home) -> Run:
    (parent,) = [run for run in runs_of(home) if run.data.tags["fer.role"] == "study"]
    return parent


def children_of(home: Home, name: str = "tiny") -> dict[tuple[str, int], Run]:
    """(stage, number) -> run, and a proof that no trial has two."""
    children = [run for run in runs_of(home, name) if run.data.tags["fer.role"] == "trial"]
    found = {(run.data.tags["fer.stage"], int(run.data.tags["fer.trial"])): run for run in children}
    assert len(found) == len(children)
    return found


def metric_rows(home: Home) -> int:
    with closing(sqlite3.connect(home.mlflow_file)) as database:
        (count,) = database.execute("select count(*) from metrics").fetchone()
        return int(count)


def artifacts_of(home: Home, run: Run) -> set[str]:
    return {file.path for file in client_of(home).list_artifacts(run.info.run_id)}
