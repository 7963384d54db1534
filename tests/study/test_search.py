"""The search: exact caps, resuming at any point, duplicates, failures, budgets."""

import errno
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_sweep.data import Samples, Split
from fer_sweep.spec import SweepSpec, grid
from fer_sweep.study import search
from fer_sweep.study.events import EpochReported, SearchEnded, StudyFinished, TrialStarted
from fer_sweep.study.home import Home
from fer_sweep.study.journal import save_result
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.study import run_study
from fer_sweep.study.summary import importance
from fer_sweep.training.records import Record, TrialResult
from fer_sweep.training.trials import TrialRequest, run_trials
from tests.study.studies import CPU, RATE, UNITS, finished, opened, rows, run, run_and_cut, sweep

OUTSIDE = {"kind": "mlp", "hidden_units": 5}
DIVERGES = {"distribution": "categorical", "values": [0.0, 1e30]}
SGD = {"epochs": 10, "learning_rate": 0.01, "optimizer": "sgd"}


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the trials that were given to training, in order."""
    numbers: list[int] = []

    def counting(
        requests: Sequence[TrialRequest], samples: Samples, split: Split, *, device: torch.device
    ) -> Generator[Record, str | None, None]:
        numbers.extend(request.number for request in requests)
        return run_trials(requests, samples, split, device=device)

    monkeypatch.setattr(search, "run_trials", counting)
    return numbers


def ended(events: Sequence[object]) -> list[TrialRow]:
    """The rows that the study ends with."""
    (end,) = [event for event in events if isinstance(event, StudyFinished)]
    return list(end.rows)


def reason(events: Sequence[object]) -> str:
    (end,) = [event for event in events if isinstance(event, SearchEnded)]
    return end.reason


def content(found: Sequence[TrialRow]) -> list[tuple[Any, ...]]:
    """All that must not depend on interruptions."""
    return [(r.number, r.state, dict(r.assignments), pytest.approx(r.mean, abs=1e-6), r.n, r.note) for r in found]


# -- caps


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_run_cap_is_exact(tmp_path: Path, at_once: int) -> None:
    spec = sweep(run_cap=7, resources={"trials_at_once": at_once})
    events = run(spec, tmp_path)
    assert sorted(event.trial.number for event in finished(events)) == list(range(7))
    assert [row.state for row in rows(spec, tmp_path)] == ["complete"] * 7
    assert reason(events) == "run_cap: 7 trials"


def test_raising_run_cap_later_continues(tmp_path: Path, trained: list[int]) -> None:
    run(sweep(run_cap=4), tmp_path)
    assert not finished(run(sweep(run_cap=4), tmp_path))
    events = run(sweep(run_cap=9), tmp_path)
    assert [event.trial.number for event in finished(events)] == [4, 5, 6, 7, 8]
    assert trained == list(range(9))


def test_a_sweep_without_parameters_runs_the_base_once(tmp_path: Path) -> None:
    events = run(sweep({}), tmp_path)
    assert [(e.trial.number, e.row.state, dict(e.trial.assignments)) for e in finished(events)] == [(0, "complete", {})]
    assert reason(events) == "the search space is exhausted: all 1 configurations are done"


# -- the base


@pytest.mark.parametrize("method", ["bayes", "random", "qmc", "grid"])
@pytest.mark.parametrize("model", [{"kind": "mlp", "hidden_units": 4}, OUTSIDE])
def test_trial_0_is_the_base(tmp_path: Path, method: str, model: dict[str, Any]) -> None:
    spec = sweep({"model.hidden_units": UNITS}, method=method, model=model, run_cap=3)
    first = finished(run(spec, tmp_path))[0]
    assert first.trial.number == 0
    assert first.trial.config == spec.base
    assert first.row.state == "complete"


def test_a_base_outside_the_space_hides_nothing_from_the_sampler(tmp_path: Path) -> None:
    spec = sweep(method="bayes", model=OUTSIDE, run_cap=20, resources={"trials_at_once": 4})
    run(spec, tmp_path)
    with opened(spec, tmp_path) as study:
        shares = importance(study.store.study)
        later = study.store.trials()[16]
    assert set(shares) == {"train.learning_rate", "model.hidden_units"}
    assert any("tpe" in key for key in later.system_attrs), "modelled, not drawn at random"


# -- interruptions


INTERRUPTED: dict[str, dict[str, Any]] = {
    "one at a time": {"method": "bayes", "resources": {"trials_at_once": 1}},
    "three at a time": {"method": "random"},
    "eight at a time": {"method": "qmc", "resources": {"trials_at_once": 8}},
    "modelled and pruned": {
        "method": "bayes",
        "run_cap": 15,
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
    for cut in data.draw(st.lists(st.integers(1, length), min_size=1, max_size=4)):
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
        asking = search.Search(spec, study.samples, study.split, store=study.store, files=study.files, device=CPU)
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


# -- grid


GRID: dict[str, dict[str, Any]] = {
    "removal.rule": {"distribution": "categorical", "values": ["none", "bdr"]},
    "removal.start": {"distribution": "int_uniform", "min": 2, "max": 4, "when": {"removal.rule": ("bdr",)}},
    "train.momentum": {"distribution": "q_uniform", "min": 0.1, "max": 0.3, "q": 0.1},
    "train.optimizer": {"distribution": "constant", "value": "sgd"},
}


@pytest.mark.parametrize("momentum", [0.30000000000000004, 0.7])
def test_a_grid_runs_every_point_exactly_once_also_over_a_restart(
    tmp_path: Path, trained: list[int], momentum: float
) -> None:
    spec = sweep(GRID, method="grid", run_cap=None, train={**SGD, "momentum": momentum})
    points = [repr(point) for point in grid(spec.parameters)]
    assert len(points) == 12
    outside = momentum == 0.7
    run_and_cut(spec, tmp_path, 30)
    events = run(spec, tmp_path)
    found = [repr(dict(row.assignments)) for row in ended(events)]
    assert sorted(found[1:] if outside else found) == sorted(points)
    assert found[0] == "{}" if outside else found[0] in points
    assert {row.state for row in ended(events)} == {"complete"}
    assert reason(events) == f"the search space is exhausted: all {len(found)} configurations are done"
    assert set(trained) == set(range(12 + outside))


# -- duplicates


@pytest.mark.parametrize("at_once", [1, 8])
def test_a_duplicate_reuses_the_result_and_counts(tmp_path: Path, trained: list[int], at_once: int) -> None:
    spec = sweep({"model.hidden_units": UNITS}, run_cap=12, resources={"trials_at_once": at_once})
    seen = run(spec, tmp_path)
    events = finished(seen)
    assert len(events) == 12
    assert len(trained) == 3
    first = {row.assignments["model.hidden_units"]: row for row in reversed(ended(seen))}
    for event in events:
        original = first[event.trial.assignments["model.hidden_units"]]
        assert event.row.mean == original.mean
        assert event.result is not None
        if event.trial.number != original.number:
            assert event.reused_from == original.number
            assert (event.row.note, event.row.seconds) == (f"equal to trial {original.number}", 0.0)


def test_a_duplicate_whose_result_is_lost_is_trained_again(tmp_path: Path, trained: list[int]) -> None:
    two = {"model.hidden_units": {"distribution": "categorical", "values": [4, 6]}}
    run(sweep(two, run_cap=1), tmp_path)
    (tmp_path / "studies/tiny/search/00000.npz").unlink()
    events = finished(run(sweep(two, run_cap=9), tmp_path))
    again = [event for event in events if dict(event.trial.assignments) == {"model.hidden_units": 4}]
    assert len(again) >= 2
    assert again[0].reused_from is None
    assert {event.reused_from for event in again[1:]} <= {again[0].trial.number}
    assert len(trained) == 3


@pytest.mark.parametrize("at_once", [1, 3])
def test_skipped_duplicates_do_not_count_and_end_an_exhausted_search(
    tmp_path: Path, trained: list[int], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_SKIPS", 12)
    spec = sweep({"model.hidden_units": UNITS}, run_cap=5, duplicates="skip", resources={"trials_at_once": at_once})
    events = run(spec, tmp_path)
    assert len(finished(events)) == len(trained) == 3
    assert {dict(event.trial.assignments)["model.hidden_units"] for event in finished(events)} == {2, 4, 6}
    assert reason(events).startswith("the search space is exhausted: 1")
    assert reason(events).endswith("proposals in a row were duplicates (duplicates: skip)")
    states = [row.state for row in ended(events)]
    assert states.count("skipped") == len(states) - 3
    assert reason(run(spec, tmp_path)) == reason(events)


def test_skipping_still_reaches_an_exact_run_cap(tmp_path: Path, trained: list[int]) -> None:
    spec = sweep({"model.hidden_units": UNITS}, run_cap=3, duplicates="skip", resources={"trials_at_once": 2})
    assert reason(run(spec, tmp_path)) == "run_cap: 3 trials"
    assert len(trained) == 3


def test_replicates_are_trained_with_other_weights(tmp_path: Path, trained: list[int]) -> None:
    one = {"model.hidden_units": {"distribution": "categorical", "values": [4]}}
    events = finished(run(sweep(one, run_cap=4, duplicates="replicate"), tmp_path))
    assert trained == [0, 1, 2, 3]
    results = [event.result for event in events if event.result is not None]
    assert len({result.networks[0].seed for result in results}) == 4
    assert len({result.networks[0].train_loss.tobytes() for result in results}) == 4
    assert {event.reused_from for event in events} == {None}


# -- failures


def test_a_diverged_trial_fails_with_a_note_and_the_study_goes_on(tmp_path: Path) -> None:
    spec = sweep({"train.weight_decay": DIVERGES}, method="grid", run_cap=None, train=SGD)
    events = sorted(finished(run(spec, tmp_path)), key=lambda event: event.trial.number)
    assert [event.row.state for event in events] == ["complete", "failed"]
    failure = events[1].failure
    assert failure is not None
    assert failure.kind == "diverged"
    assert events[1].row.note == failure.message
    assert "the network diverged" in failure.message
    assert events[1].result is None


def test_too_many_failures_stop_the_search(tmp_path: Path) -> None:
    spec = sweep(
        {"train.weight_decay": {**DIVERGES, "values": [1e30]}, "train.learning_rate": RATE},
        train=SGD,
        run_cap=50,
        budget={"max_failed": 2},
        resources={"trials_at_once": 1},
    )
    events = run(spec, tmp_path)
    assert len(finished(events)) == 3
    assert reason(events).startswith(
        "budget.max_failed: 2 trials failed, the last with: the training loss is no longer"
    )
    assert reason(run(spec, tmp_path)) == reason(events)


def test_an_invalid_configuration_fails_alone(tmp_path: Path) -> None:
    spec = sweep(
        {
            "removal.start": {"distribution": "categorical", "values": [2, 8]},
            "train.epochs": {"distribution": "categorical", "values": [6, 10]},
        },
        method="grid",
        run_cap=None,
        removal={"rule": "bdr", "start": 2},
    )
    events = finished(run(spec, tmp_path))
    assert len(events) == 4
    (failed,) = [event for event in events if event.row.state == "failed"]
    assert dict(failed.trial.assignments) == {"removal.start": 8, "train.epochs": 6}
    assert failed.row.note.startswith("not a valid configuration: ")
    assert "removal.start: 8 is never reached" in failed.row.note
    assert failed.failure is not None


def test_an_exception_fails_only_the_trial_that_raises_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashing(
        requests: Sequence[TrialRequest], samples: Samples, split: Split, *, device: torch.device
    ) -> Generator[Record, str | None, None]:
        for record in run_trials(requests, samples, split, device=device):
            if record.trial == 1 and not isinstance(record, TrialResult) and getattr(record, "epoch", 0) == 5:
                raise RuntimeError("out of memory")
            yield record

    monkeypatch.setattr(search, "run_trials", crashing)
    spec = sweep(early_terminate={"type": "median"})  # reports to the pruner are repeated, too
    events = finished(run(spec, tmp_path))
    assert {e.trial.number: e.row.state for e in events if e.row.state == "failed"} == {1: "failed"}
    assert sorted(e.trial.number for e in events) == list(range(6))
    failed = next(e for e in events if e.trial.number == 1)
    assert failed.failure is not None
    assert failed.row.note == "RuntimeError: out of memory"
    assert "in crashing" in failed.failure.traceback


def test_a_full_disk_is_not_the_trials_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    spec = sweep(resources={"trials_at_once": 1})
    monkeypatch.setattr(search, "save_result", full)
    with pytest.raises(OSError, match="No space left"):
        run(spec, tmp_path)
    assert [row.state for row in rows(spec, tmp_path)] == ["running"]
    monkeypatch.setattr(search, "save_result", save_result)
    run(spec, tmp_path)
    assert [row.state for row in rows(spec, tmp_path)] == ["complete"] * 6


# -- budget and early termination


def test_a_time_budget_ends_running_trials_and_the_search(tmp_path: Path) -> None:
    spec = sweep(budget={"max_hours": 1e-9}, run_cap=50, train={"epochs": 300})
    events = run(spec, tmp_path)
    assert [event.row.state for event in finished(events)] == ["pruned"] * 3
    assert {event.row.note for event in finished(events)} == {"stopped: budget"}
    assert all(event.row.mean is not None for event in finished(events))
    assert reason(events) == "budget.max_hours: 1e-09"
    again = run(spec, tmp_path)
    assert not finished(again)
    assert reason(again) == reason(events)


def test_trials_left_running_end_at_once_when_the_budget_is_spent(tmp_path: Path) -> None:
    spec = sweep(budget={"max_hours": 1e-9}, run_cap=50, train={"epochs": 300})
    run_and_cut(spec, tmp_path, 4)
    assert [row.state for row in rows(spec, tmp_path)] == ["running"] * 3
    events = run(spec, tmp_path)
    assert [event.row.note for event in finished(events)] == ["stopped: budget"] * 3


def test_median_prunes_a_bad_trial_but_not_before_the_last_first_removal(tmp_path: Path) -> None:
    rates = [0.05, 0.051, 0.052, 0.053, 0.054, 0.055, 1e-9]
    spec = sweep(
        {
            "train.learning_rate": {"distribution": "categorical", "values": rates},
            "removal.start": {"distribution": "categorical", "values": [12]},
        },
        method="grid",
        run_cap=None,
        train={"epochs": 30, "learning_rate": 0.05},
        removal={"rule": "bdr", "start": 3, "min_per_class": 1, "stop_variance": None},
        early_terminate={"type": "median"},
        resources={"trials_at_once": 1},
    )
    events = run(spec, tmp_path)
    last = finished(events)[-1]
    assert last.trial.assignments["train.learning_rate"] == 1e-9
    assert (last.row.state, last.row.note) == ("pruned", "stopped: median")
    epochs = [e.report.epoch for e in events if isinstance(e, EpochReported) and e.trial.number == last.trial.number]
    assert 12 <= epochs[-1] < 20
    stored_epochs = {e.row.number: len(e.result.reports) for e in finished(events) if e.result is not None}
    assert stored_epochs[last.trial.number] == len(epochs)


def test_hyperband_prunes_and_the_search_ends(tmp_path: Path) -> None:
    rates = {"distribution": "log_uniform_values", "min": 1e-9, "max": 0.1}
    spec = sweep(
        {"train.learning_rate": rates},
        method="bayes",
        run_cap=24,
        train={"epochs": 30, "learning_rate": 0.05},
        early_terminate={"type": "hyperband"},
        resources={"trials_at_once": 4},
    )
    events = finished(run(spec, tmp_path))
    assert len(events) == 24
    assert {event.row.state for event in events} == {"complete", "pruned"}
    assert {event.row.note for event in events if event.row.state == "pruned"} == {"stopped: hyperband"}


def test_a_trial_begins_with_the_seed_of_its_number(tmp_path: Path) -> None:
    one, three = (run(sweep(resources={"trials_at_once": n}), tmp_path / str(n)) for n in (1, 3))

    def seeds(events: Sequence[object]) -> list[tuple[int, int]]:
        return [(e.trial.number, e.seed) for e in events if isinstance(e, TrialStarted)]

    assert seeds(one) == seeds(three)
    assert len(set(seeds(one))) == 6


def test_closing_a_study_stops_training(tmp_path: Path) -> None:
    with opened(sweep(), tmp_path) as study:
        events = run_study(study, device=CPU)
        next(events)
        events.close()
        assert list(events) == []
