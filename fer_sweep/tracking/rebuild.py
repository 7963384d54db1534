"""MLflow runs that are gone, made again: deleted ones restored, incomplete ones opened for writing, the rest from the
outbox, which is completed first.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from fer_sweep.study.claim import claimed
from fer_sweep.study.facts import StudyFacts, load_facts
from fer_sweep.study.home import Home, StudyFiles
from fer_sweep.study.lock import coordinator_lock, writer_lock
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.client import open_client, store_errors
from fer_sweep.tracking.completion import complete_outbox
from fer_sweep.tracking.delivery import NothingMore, SetAside, deliver
from fer_sweep.tracking.known_runs import belongs
from fer_sweep.tracking.sent import forget

_REMEDY = "Nothing is lost: fer-sweep doctor --rebuild goes on once it answers again."

LONG = 3600.0
"""Seconds; to train and log a model takes less."""

_Key = tuple[str, str, str, str]
"""Role, stage, number and splits: what a run is of."""


@dataclass(frozen=True)
class Rebuilt:
    """What had to be done for a study: entries of its outbox made anew, deleted runs restored, runs that lacked files
    or numbers written again, runs made anew; and what the store refused."""

    study: str
    entries: int
    restored: int
    rewritten: int
    made: int
    refused: tuple[str, ...]


def rebuild(name: str, home: Home, store: Store) -> Rebuilt:
    """Bring all of a study back into a store: the same params, points and artifacts as before.

    Raises StudyError if the study is being run or sent, or if what it is cannot be read; TrackingError if the store
    does not answer.
    """
    files = home.study(name)
    facts = load_facts(name, files)
    with coordinator_lock(name, files), claimed(home, name), writer_lock(name, files, timeout=0.0):
        entries = complete_outbox(facts, home)
        client = open_client(store)
        with store_errors(store.uri, _REMEDY):
            restored, rewritten = _restore(client, facts)
            before = len(_runs(client, facts, ViewType.ACTIVE_ONLY))
        forget(files, store)
        refused = send(facts, files, store)
        with store_errors(store.uri, _REMEDY):
            made = len(_runs(client, facts, ViewType.ACTIVE_ONLY)) - before
    return Rebuilt(name, entries, restored, rewritten, made, refused)


def close_orphans(name: str, home: Home, store: Store) -> int:
    """Say the end of a study whose coordinator died: in its outbox, and, sent from there, in MLflow. Its runs get the
    status that an interruption gives them. Returns how many were RUNNING.

    Raises as rebuild does.
    """
    files = home.study(name)
    facts = load_facts(name, files)
    with coordinator_lock(name, files), claimed(home, name), writer_lock(name, files, timeout=0.0):
        complete_outbox(facts, home)
        client = open_client(store)
        with store_errors(store.uri, _REMEDY):
            orphans = running(client, facts)
        send(facts, files, store)
        with store_errors(store.uri, _REMEDY):
            for run in running(client, facts):
                client.set_terminated(run.info.run_id, status="KILLED")
    return len(orphans)


def send(facts: StudyFacts, files: StudyFiles, store: Store) -> tuple[str, ...]:
    """Send an outbox; returns what the store refused. The caller holds the writer's lock."""
    progress = deliver(facts, files, store, NothingMore(), patience=0.0)
    return tuple(dict.fromkeys(step.why for step in progress if isinstance(step, SetAside)))


def running(client: MlflowClient, facts: StudyFacts) -> list[Run]:
    """The runs of a study that MLflow takes to be running; of its models only those that it has for LONG, because their
    promotion was interrupted."""
    since = 1000 * (time.time() - LONG)
    models = (
        run for run in _runs(client, facts, ViewType.ACTIVE_ONLY, roles=("model",)) if run.info.start_time < since
    )
    return [run for run in (*_runs(client, facts, ViewType.ACTIVE_ONLY), *models) if run.info.status == "RUNNING"]


def finished_trials(client: MlflowClient, facts: StudyFacts) -> set[tuple[str, int]]:
    """Stage and number of the trials whose end MLflow has."""
    runs = (run.data.tags for run in _runs(client, facts, ViewType.ACTIVE_ONLY))
    return {(tags["fer.stage"], int(tags["fer.trial"])) for tags in runs if "fer.state" in tags}


def _restore(client: MlflowClient, facts: StudyFacts) -> tuple[int, int]:
    """Restore what was deleted in the UI, and open what is incomplete, so that it is written again."""
    experiment = client.get_experiment_by_name(facts.spec.name)
    if experiment is not None and experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    active = {_key(run) for run in _runs(client, facts, ViewType.ACTIVE_ONLY)}
    restored = rewritten = 0
    deleted = _runs(client, facts, ViewType.DELETED_ONLY)
    # of several, the one that is complete, or else the first
    for run in sorted(deleted, key=lambda run: ("fer.state" not in run.data.tags, run.info.start_time)):
        if _key(run) not in active:
            active.add(_key(run))
            client.restore_run(run.info.run_id)
            restored += 1
    for run in _runs(client, facts, ViewType.ACTIVE_ONLY):
        if not _is_complete(client, run):
            rewritten += 1
            if run.data.tags["fer.role"] == "trial":
                client.delete_tag(run.info.run_id, "fer.state")
            else:
                client.update_run(run.info.run_id, status="RUNNING")
    return restored, rewritten


def _is_complete(client: MlflowClient, run: Run) -> bool:
    """Whether a run that says it is finished has the file that every such run has, and numbers."""
    if run.data.tags["fer.role"] == "trial":
        if "fer.state" not in run.data.tags:
            return True  # it was interrupted, and says so
        has_numbers = bool(run.data.metrics) or run.data.tags["fer.state"] == "failed"
        return has_numbers and _has(client, run, "config.yaml")
    return run.info.status == "RUNNING" or _has(client, run, "answer.txt")


def _has(client: MlflowClient, run: Run, name: str) -> bool:
    return any(Path(file.path).name == name for file in client.list_artifacts(run.info.run_id))


def _runs(client: MlflowClient, facts: StudyFacts, view: int, roles: tuple[str, ...] = ("study", "trial")) -> list[Run]:
    experiment = client.get_experiment_by_name(facts.spec.name)
    return [] if experiment is None else list(_pages(client, experiment.experiment_id, facts, view, roles))


def _pages(
    client: MlflowClient, experiment: str, facts: StudyFacts, view: int, roles: tuple[str, ...]
) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs(
            [experiment], filter_string=f"tags.`fer.study` = '{facts.name}'", run_view_type=view, page_token=token
        )
        yield from (run for run in page if run.data.tags.get("fer.role") in roles and belongs(run, facts))
        token = page.token
        if not token:
            return


def _key(run: Run) -> _Key:
    tags = run.data.tags
    return tags["fer.role"], tags.get("fer.stage", ""), tags.get("fer.trial", ""), tags["fer.split_hash"]
