"""A search that was interrupted, anywhere and several times, ends as if nothing had happened."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_sweep.spec import SweepSpec
from fer_sweep.study import search
from fer_sweep.study.home import Home
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.steering import Steering
from tests.study.studies import (
    DIVERGES,
    RATE,
    SGD,
    content,
    ended,
    finished,
    inline,
    opened,
    rows,
    run,
    run_and_cut,
    sweep,
)

INTERRUPTED: dict[str, dict[str, Any]] = {
    "one at a time": {"method": "bayes", "resources": {"trials_at_once": 1}},
    "three at a time": {"method": "random"},
    "eight at a time": {"method": "qmc", "resources": {"trials_at_once": 8}},
    "modelled and pruned": {
        "method": "bayes",
        "run_cap": 13,
        "early_terminate": {"type": "median"},
        "resources": {"trials_at_once": 4},
    },
    "failing": {"parameters": {"train.weight_decay": DIVERGES, "train.learning_rate": RATE}, "train": SGD},
}


def interrupted(name: str) -> SweepSpec:
    changes = dict(INTERRUPTED[name])
    return sweep(changes.pop("parameters", None), **changes)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[TrialRow], int]]:
    """Rows and number of events of each study when nothing goes wrong."""
    found = {}
    for name in INTERRUPTED:
        root = tmp_path_factory.mktemp("whole")
        events = run(interrupted(name), root)
        found[name] = ended(events), len(events)
    assert any(row.state == "pruned" for row in found["modelled and pruned"][0])
    assert any(row.state == "failed" for row in found["failing"][0])
    return found


@pytest.mark.parametrize("name", INTERRUPTED)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_an_interrupted_search_ends_as_an_uninterrupted_one(
    uninterrupted: dict[str, tuple[list[TrialRow], int]],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    data: st.DataObject,
) -> None:
    spec, (expected, length) = interrupted(name), uninterrupted[name]
    root = tmp_path_factory.mktemp("cut")
    for cut in data.draw(st.lists(st.integers(1, length), min_size=1, max_size=3)):
        run_and_cut(spec, root, cut)
    run(spec, root)
    assert content(rows(spec, root)) == content(expected)


def test_no_trial_is_trained_twice_once_its_result_was_announced(tmp_path: Path, trained: list[int]) -> None:
    spec = sweep(resources={"trials_at_once": 1})
    announced: list[int] = []
    for _ in range(10):
        del trained[:]
        events = run_and_cut(spec, tmp_path, 15)
        assert not set(announced) & set(trained)
        announced += [event.trial.number for event in finished(events)]
    run(spec, tmp_path)
    assert sorted(announced) == list(range(6))


def test_a_crash_while_asking_leaves_the_batch_to_be_completed(tmp_path: Path) -> None:
    spec = sweep(method="bayes", run_cap=20, resources={"trials_at_once": 8})
    run(spec, tmp_path / "whole")
    root = tmp_path / "cut"
    with opened(spec, root) as study:
        asking = search.Search(
            spec,
            study.samples,
            study.split,
            store=study.store,
            files=study.files,
            executor=inline(study.samples),
            steering=Steering(study.store.orders),
        )
        write = study.store.begin

        def killed(number: int, *given: Any, **named: Any) -> None:
            if number == 12:
                raise KeyboardInterrupt
            write(number, *given, **named)

        study.store.begin = killed  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            list(asking.events())
    run(spec, root)
    assert content(rows(spec, root)) == content(rows(spec, tmp_path / "whole"))


def test_results_on_disk_that_were_never_told_are_adopted(tmp_path: Path, trained: list[int]) -> None:
    spec = sweep(run_cap=3)
    run(spec, tmp_path / "whole")
    del trained[:]
    cut, home = tmp_path / "cut", Home(tmp_path / "cut")
    run_and_cut(spec, cut, 4)  # three began, none is told
    (home.root / "studies/tiny/search").mkdir(exist_ok=True)
    for number in (0, 2):
        name = f"studies/tiny/search/{number:05d}.npz"
        (home.root / name).write_bytes((tmp_path / "whole" / name).read_bytes())
    del trained[:]
    events = run(spec, cut)
    assert trained == [1]
    assert [event.trial.number for event in finished(events)] == [0, 2, 1]
    assert content(rows(spec, cut)) == content(rows(spec, tmp_path / "whole"))


def test_transactions_undone_by_a_crash_of_the_machine_are_made_again(tmp_path: Path, trained: list[int]) -> None:
    spec, whole, undone = sweep(method="bayes"), tmp_path / "whole", tmp_path / "undone"
    run_and_cut(spec, whole, 5)  # in the middle of the first batch
    undone.mkdir()
    with (
        closing(sqlite3.connect(Home(whole).optuna_file)) as now,
        closing(sqlite3.connect(Home(undone).optuna_file)) as then,
    ):
        now.backup(then)
    run(spec, whole)
    shutil.copytree(whole / "studies", undone / "studies")  # the results reached the disk, the database's log did not
    del trained[:]

    run(spec, undone)

    assert trained == []
    assert content(rows(spec, undone)) == content(rows(spec, whole))
