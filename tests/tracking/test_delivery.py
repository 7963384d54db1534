"""The outbox on its way to a real store."""

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from benchmarks.outages import content
from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home
from fer_sweep.study.study import OpenStudy
from fer_sweep.tracking.address import Store, store_of
from fer_sweep.tracking.delivery import (
    MOST_TRIES,
    Damaged,
    Failing,
    NothingMore,
    Progress,
    Ready,
    SetAside,
    Written,
    deliver,
)
from fer_sweep.tracking.sent import Sent, sent_to, unsent
from tests.tracking.studies import children_of, client_of, new_home, recorded

ENTRIES = 5  # opened, and twice started and finished


@pytest.fixture
def study(tmp_path: Path) -> Iterator[OpenStudy]:
    with recorded(tmp_path) as study:
        yield study


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def store(home: Home) -> Store:
    return store_of(None, home)


def send(study: OpenStudy, store: Store) -> list[Progress]:
    return list(deliver(study.facts, study.files, store, NothingMore(), patience=0.0))


def break_trial_0(home: Home, how: str) -> None:
    """Let the store fail whenever it is given a run of trial 0."""
    with closing(sqlite3.connect(home.mlflow_file)) as database:
        condition = "new.key = 'fer.trial' and new.value = '0'"
        database.execute(f"create trigger moody before insert on tags when {condition} begin {how}; end")
        database.commit()


def written(progress: list[Progress]) -> int:
    return sum(isinstance(one, Written) and one.new for one in progress)


def test_everything_is_sent_once(study: OpenStudy, home: Home, store: Store) -> None:
    assert unsent(study.files, store) == ENTRIES

    first = send(study, store)

    assert isinstance(first[0], Ready)
    assert written(first) == ENTRIES
    assert {key: run.info.status for key, run in children_of(home).items()} == {
        ("search", 0): "FINISHED",
        ("search", 1): "FINISHED",
    }
    assert unsent(study.files, store) == 0
    assert written(send(study, store)) == 0


def test_how_far_the_store_is_need_not_be_known(study: OpenStudy, home: Home, store: Store) -> None:
    send(study, store)
    before = {run.info.run_id: run.data.metrics for run in children_of(home).values()}
    study.files.sent.write_text("{nonsense")

    send(study, store)

    assert {run.info.run_id: run.data.metrics for run in children_of(home).values()} == before
    assert sent_to(study.files, store) == Sent(study.files.outbox.stat().st_size)


def test_a_run_that_was_deleted_is_written_again(study: OpenStudy, home: Home, store: Store) -> None:
    send(study, store)
    deleted = children_of(home)["search", 1]
    client_of(home).delete_run(deleted.info.run_id)

    send(study, store)

    again = children_of(home)["search", 1]
    assert again.info.run_id != deleted.info.run_id
    assert again.data.metrics == deleted.data.metrics


def test_another_store_is_given_everything_too(study: OpenStudy, store: Store, tmp_path: Path) -> None:
    send(study, store)
    (tmp_path / "other").mkdir()
    other = store_of(None, new_home(tmp_path / "other"))

    assert written(send(study, other)) == ENTRIES
    assert set(json.loads(study.files.sent.read_text())) == {store.name, other.name}


def test_a_damaged_entry_is_told_and_the_rest_goes_on(study: OpenStudy, home: Home, store: Store) -> None:
    lines = study.files.outbox.read_bytes().splitlines(keepends=True)
    lines[1] = b"?" + lines[1][1:]
    study.files.outbox.write_bytes(b"".join(lines))

    progress = send(study, store)

    assert [one.end for one in progress if isinstance(one, Damaged)] == [len(lines[0] + lines[1])]
    assert len(children_of(home)) == 2


def test_an_entry_that_the_store_refuses_is_set_aside_and_stays_unsent(
    study: OpenStudy, home: Home, store: Store
) -> None:
    break_trial_0(home, "select raise(abort, 'not this one')")

    progress = list(deliver(study.facts, study.files, store, NothingMore()))

    aside = [one for one in progress if isinstance(one, SetAside)]
    told = [(one.entry.kind, one.entry.body["number"]) for one in aside]
    assert told == 2 * [("started", 0), ("finished", 0)]  # and once more after all the others
    assert "refuses: " in aside[0].why
    assert "not this one" in aside[0].why
    assert set(children_of(home)) == {("search", 1)}
    assert unsent(study.files, store) == 2  # sync tries them again


def test_an_entry_that_always_fails_lets_the_others_go_ahead_and_is_tried_again_last(
    study: OpenStudy, home: Home, store: Store
) -> None:
    break_trial_0(home, "select json('{')")

    progress = send(study, store)

    assert sum(isinstance(one, Failing) for one in progress) == 2 * (MOST_TRIES - 1)
    aside = [one for one in progress if isinstance(one, SetAside)]
    told = [(one.entry.kind, one.entry.body["number"]) for one in aside]
    assert told == 2 * [("started", 0), ("finished", 0)]  # and once more after all the others
    assert "malformed JSON" in aside[0].why
    assert set(children_of(home)) == {("search", 1)}
    assert unsent(study.files, store) == 2

    again = send(study, store)
    assert [one.entry.kind for one in again if isinstance(one, SetAside)] == ["started", "finished"]
    assert written(again) == 0

    with closing(sqlite3.connect(home.mlflow_file)) as database:
        database.execute("drop trigger moody")
    assert written(send(study, store)) == 2
    assert {key: run.info.status for key, run in children_of(home).items()} == {
        ("search", 0): "FINISHED",
        ("search", 1): "FINISHED",
    }
    assert unsent(study.files, store) == 0


def test_a_store_that_takes_nothing_at_all_is_waited_for(study: OpenStudy, home: Home, store: Store) -> None:
    break_trial_0(home, "select json('{')")
    with closing(sqlite3.connect(home.mlflow_file)) as database:
        database.execute(
            "create trigger full before insert on tags when new.key = 'fer.last_set_aside' begin select json('{'); end"
        )
        database.commit()

    with pytest.raises(TrackingError, match=r"does not answer: .*malformed JSON"):
        send(study, store)

    assert unsent(study.files, store) == ENTRIES - 1
    assert not children_of(home)


def test_a_store_that_does_not_answer_at_first_ends_it_with_a_word(
    study: OpenStudy, home: Home, tmp_path: Path
) -> None:
    nowhere = store_of(f"sqlite:///{tmp_path}", home)

    with pytest.raises(TrackingError, match=r"does not answer"):
        send(study, nowhere)


def test_a_store_that_comes_back_is_given_what_has_waited(
    study: OpenStudy, home: Home, store: Store, tmp_path: Path
) -> None:
    shutil.move(home.mlflow_file, tmp_path / "away.db")
    home.mlflow_file.mkdir()  # a path that no database can be opened at
    seen: list[Progress] = []

    with closing(
        deliver(study.facts, study.files, store, NothingMore(), patience=60.0, wait_for_store=True)
    ) as progress:
        for one in progress:
            if isinstance(one, Failing) and home.mlflow_file.is_dir():
                home.mlflow_file.rmdir()
                shutil.move(tmp_path / "away.db", home.mlflow_file)
            seen.append(one)

    assert isinstance(seen[0], Failing)
    assert written(seen) == ENTRIES
    assert unsent(study.files, store) == 0


def test_a_store_that_stays_away_is_given_up_in_the_end(study: OpenStudy, home: Home, store: Store) -> None:
    home.mlflow_file.unlink()
    home.mlflow_file.mkdir()

    with pytest.raises(TrackingError, match=r"mlflow\.db does not answer"):
        list(deliver(study.facts, study.files, store, NothingMore(), patience=0.3, wait_for_store=True))

    assert unsent(study.files, store) == ENTRIES


class GoesOn(NothingMore):
    """A study that has not ended yet."""

    ended = False

    def wait(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.1))


def test_patience_begins_when_the_study_ends_not_when_the_store_went(
    study: OpenStudy, home: Home, store: Store
) -> None:
    home.mlflow_file.unlink()
    home.mlflow_file.mkdir()
    source, ended = GoesOn(), list[bool]()

    def follow() -> None:
        for _ in deliver(study.facts, study.files, store, source, patience=0.05, wait_for_store=True):
            ended.append(source.ended)
            source.ended = len(ended) >= 3

    with pytest.raises(TrackingError, match=r"mlflow\.db does not answer"):
        follow()

    assert ended == [False, False, False, True], "one more failure after the end, and then patience is over"


def test_trials_are_drawn_while_the_store_is_away_and_sent_as_they_are_when_it_is_back(
    study: OpenStudy, home: Home, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, source = tmp_path / "temporary", GoesOn()
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    shutil.move(home.mlflow_file, tmp_path / "away.db")
    home.mlflow_file.mkdir()
    drawn: list[int] = []

    with closing(deliver(study.facts, study.files, store, source, wait_for_store=True)) as progress:
        for one in progress:
            if isinstance(one, Failing):
                drawn.append(len(list(temporary.glob("*/*"))))
                if drawn[-1] == 2:
                    home.mlflow_file.rmdir()
                    shutil.move(tmp_path / "away.db", home.mlflow_file)
            source.ended = isinstance(one, Written)

    assert (drawn[0], drawn[-1]) == (0, 2)
    assert list(temporary.iterdir()) == []
    assert unsent(study.files, store) == 0
    assert read(home) == read(straight_away(study, tmp_path))


def straight_away(study: OpenStudy, tmp_path: Path) -> Home:
    """A home whose store was given a study without a disturbance."""
    (tmp_path / "undisturbed").mkdir()
    other = new_home(tmp_path / "undisturbed")
    send(study, store_of(None, other))
    return other


def read(home: Home) -> dict[tuple[str, str], object]:
    return content(home.root, "tiny")


def test_runs_of_other_hands_in_the_same_experiment_are_left_alone(study: OpenStudy, home: Home, store: Store) -> None:
    send(study, store)
    client: MlflowClient = client_of(home)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    mine = client.create_run(experiment.experiment_id, run_name="my own")
    study.files.sent.unlink()

    send(study, store)

    assert client.get_run(mine.info.run_id).info.status == "RUNNING"
