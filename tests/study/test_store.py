"""The database: what belongs together, what is refused, and looking without touching."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import StudyDirection
from sqlalchemy import Engine, event

from fer_sweep.errors import StudyError
from fer_sweep.spec import load_sweep
from fer_sweep.study import caps
from fer_sweep.study.database import open_storage
from fer_sweep.study.home import Home
from fer_sweep.study.proposals import Proposer
from fer_sweep.study.store import StudyStore
from fer_sweep.study.stored import stored_studies
from tests.study.studies import DATA, finished, opened, rows, run, sweep

CSV = "label,a,b\n" + "\n".join(f"{'xyz'[i % 3]},{i % 3 + i / 100},{-(i % 3) + i / 50}" for i in range(60)) + "\n"


def test_looking_at_a_home_without_a_database_creates_nothing(tmp_path: Path) -> None:
    assert stored_studies(Home(tmp_path / "nowhere")) == []
    assert list(tmp_path.iterdir()) == []


def test_stored_studies_have_their_rows_best_and_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caps, "MOST_SKIPS", 3)
    up = sweep(run_cap=3)
    down = sweep(name="down", run_cap=3, metric={"name": "uar", "goal": "minimize"})
    skipping = sweep(
        {"train.momentum": {"distribution": "constant", "value": 0.0}}, name="skipping", run_cap=2, duplicates="skip"
    )
    for spec in (up, down, skipping):
        run(spec, tmp_path)
    found = {study.name: study for study in stored_studies(Home(tmp_path))}
    assert list(found) == ["down", "skipping", "tiny"]
    assert list(found["tiny"].rows) == rows(up, tmp_path)
    assert (found["tiny"].metric, found["tiny"].goal) == ("accuracy", "maximize")
    assert (found["down"].metric, found["down"].goal) == ("uar", "minimize")
    means = [row.mean for row in found["down"].rows if row.mean is not None]
    best, base = found["down"].best, found["down"].base
    assert best is not None
    assert best.mean == min(means)
    assert base is not None
    assert base.is_base
    assert [row.state for row in found["skipping"].rows] == ["complete"]


def test_the_database_can_be_read_by_optuna_alone(tmp_path: Path) -> None:
    spec = sweep(run_cap=3)
    run(spec, tmp_path)
    study = optuna.load_study(study_name="tiny", storage=Home(tmp_path).optuna_url)
    assert study.direction is StudyDirection.MAXIMIZE
    assert [trial.value for trial in study.trials] == [row.mean for row in rows(spec, tmp_path)]
    assert [trial.params for trial in study.trials] == [dict(row.assignments) for row in rows(spec, tmp_path)]


@pytest.mark.parametrize(
    "changes",
    [{"run_cap": 9}, {"description": "why"}, {"confirm": {"top_k": 1, "repeats": 2}}, {"budget": {"max_hours": 1.0}}],
)
def test_what_does_not_change_a_trial_may_change(tmp_path: Path, changes: dict[str, Any]) -> None:
    run(sweep(run_cap=1), tmp_path)
    with opened(sweep(**({"run_cap": 1} | changes)), tmp_path) as study:
        assert len(study.store.rows()) == 1


def test_a_changed_sweep_file_is_refused_with_the_differences(tmp_path: Path) -> None:
    run(sweep(run_cap=1), tmp_path)
    changed = sweep(
        run_cap=1, seed=5, train={"epochs": 12, "learning_rate": 0.01, "stop_at": 9}, metric={"name": "uar"}
    )
    with pytest.raises(StudyError) as refused, opened(changed, tmp_path):
        pass
    assert str(refused.value) == (
        "study 'tiny' exists and was run with a different sweep file or different data:\n"
        '  metric.name: "accuracy" -> "uar"\n'
        "  seed: 0 -> 5\n"
        "  train.epochs: 10 -> 12\n"
        "  train.stop_at: null -> 9\n"
        "Its trials cannot be mixed with new ones. Either give the file another name (name: ... or --set name=...), or "
        "add --branch to run the changed file as a study of its own beside the old one."
    )


def test_a_part_that_is_new_was_absent(tmp_path: Path) -> None:
    run(sweep(run_cap=1), tmp_path)
    with pytest.raises(StudyError, match=r'removal.alpha: \(absent\) -> 1.0\n(.|\n)*removal.rule: "none" -> "bdr"'):
        opened(sweep(run_cap=1, removal={"rule": "bdr", "start": 2}), tmp_path).__enter__()


def test_a_branch_is_a_study_of_its_own_and_is_resumed_the_second_time(tmp_path: Path) -> None:
    run(sweep(run_cap=2), tmp_path)
    changed = sweep(run_cap=2, seed=5)
    assert len(finished(run(changed, tmp_path, branch=True))) == 2
    assert not finished(run(changed, tmp_path, branch=True))
    assert len(finished(run(sweep(run_cap=2, seed=6), tmp_path, branch=True))) == 2
    assert [study.name for study in stored_studies(Home(tmp_path))] == ["tiny", "tiny.2", "tiny.3"]
    assert (Home(tmp_path).study("tiny.2").result("search", 1)).exists()
    with opened(sweep(run_cap=2), tmp_path, branch=True) as study:
        assert study.name == "tiny"


def test_a_branch_runs_beside_the_study_that_it_left(tmp_path: Path) -> None:
    with opened(sweep(run_cap=1), tmp_path) as study, opened(sweep(run_cap=1, seed=5), tmp_path, branch=True) as branch:
        assert (study.name, branch.name) == ("tiny", "tiny.2")
        with pytest.raises(StudyError, match=r"study 'tiny' is already being run"):
            opened(sweep(run_cap=1), tmp_path).__enter__()


def test_a_file_that_is_no_database_is_told_with_who_can_help(tmp_path: Path) -> None:
    Home(tmp_path).optuna_file.write_text("this is no database" * 100)

    with pytest.raises(StudyError, match=r"cannot be used as the database of searches: file is not a .*doctor"):
        stored_studies(Home(tmp_path))


def test_a_branch_and_a_study_of_that_name_exclude_each_other(tmp_path: Path) -> None:
    run(sweep(run_cap=1), tmp_path)
    with opened(sweep(run_cap=1, seed=5), tmp_path, branch=True) as branch:
        assert branch.name == "tiny.2"
        with pytest.raises(StudyError, match=r"study 'tiny\.2' is already being run"):
            opened(sweep(run_cap=1, seed=5, name="tiny.2"), tmp_path).__enter__()


def test_a_study_whose_creation_was_interrupted_is_completed(tmp_path: Path) -> None:
    open_storage(Home(tmp_path)).create_new_study([StudyDirection.MAXIMIZE], "tiny")
    assert len(finished(run(sweep(run_cap=1), tmp_path))) == 1
    with pytest.raises(StudyError):
        run(sweep(run_cap=1, seed=1), tmp_path)


def csv_sweep(path: Path, tmp_path: Path) -> Any:
    file = tmp_path / "sweep.yaml"
    file.write_text(
        f"name: table\ndata: {{source: csv, path: '{path}'}}\nmodel: {{kind: mlp, hidden_units: 2}}\n"
        "train: {epochs: 3}\nprotocol: {split: random}\n"
    )
    return load_sweep(file, [])


def test_moved_data_is_the_same_study_and_changed_data_is_not(tmp_path: Path) -> None:
    for name, content in (("a", CSV), ("b", CSV), ("c", CSV.replace("0.03", "0.04", 1))):
        (tmp_path / f"{name}.csv").write_text(content)
    run(csv_sweep(tmp_path / "a.csv", tmp_path), tmp_path / "home")
    assert not finished(run(csv_sweep(tmp_path / "b.csv", tmp_path), tmp_path / "home"))
    with pytest.raises(StudyError, match=r"\n  \(data content\): \"\w+\" -> \"\w+\"\nIts trials"):
        run(csv_sweep(tmp_path / "c.csv", tmp_path), tmp_path / "home")


def test_data_with_other_persons_changes_the_splits(tmp_path: Path) -> None:
    run(sweep(run_cap=1), tmp_path)
    with pytest.raises(StudyError) as refused:
        run(sweep(run_cap=1, data={**DATA, "persons": 12}), tmp_path)
    assert all(part in str(refused.value) for part in ("data.persons: 10 -> 12", "(data content)", "(splits)"))


def test_a_trial_begins_in_few_statements(tmp_path: Path) -> None:
    """Three for each parameter and six more; they are a third of what a trial costs the coordinator."""
    with opened(sweep(run_cap=3), tmp_path) as study:
        for number in range(2):
            asked = Proposer(study.spec).ask(study.store.study, number, number)
            with statements() as seen:
                study.store.begin(number, asked)

    assert len(asked) == 2
    assert len(seen) == 3 * len(asked) + 6, "\n".join(seen)


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is said to any database for a while."""
    seen: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_what_ended_in_a_study_of_an_older_version_is_known(tmp_path: Path) -> None:
    """Its configurations' keys are beside the outcomes."""
    with opened(sweep(run_cap=2), tmp_path):
        pass
    storage = open_storage(Home(tmp_path))
    old = {"assignments": {}, "key": "abc", "outcome": {"mean": 0.5, "n": 2}}
    ended = optuna.trial.create_trial(state=optuna.trial.TrialState.COMPLETE, value=0.5, user_attrs=old)
    storage.create_new_trial(storage.get_study_id_from_name("tiny"), template_trial=ended)

    assert StudyStore(storage, "tiny").ended_as("complete", "abc") == (0,)
