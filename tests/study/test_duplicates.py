"""Proposals that repeat an earlier trial: reused, skipped or replicated."""

from pathlib import Path

import optuna
import pytest
from optuna.pruners import MedianPruner
from optuna.trial import FrozenTrial

from fer_sweep.study import caps
from fer_sweep.study.home import Home
from tests.study.studies import UNITS, ended, finished, reason, run, sweep


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
    monkeypatch.setattr(caps, "MOST_SKIPS", 12)
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


def test_a_proposal_equal_to_a_pruned_trial_is_pruned_with_reference(
    tmp_path: Path, trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def prunes(self: MedianPruner, study: optuna.Study, trial: FrozenTrial) -> bool:
        return trial.params.get("model.hidden_units") == 6

    monkeypatch.setattr(MedianPruner, "prune", prunes)
    space = {"model.hidden_units": {"distribution": "categorical", "values": [4, 6]}}
    spec = sweep(space, run_cap=10, early_terminate={"type": "median"}, resources={"trials_at_once": 1})
    events = finished(run(spec, tmp_path))
    pruned = [event for event in events if event.row.state == "pruned"]
    assert len(trained) == 2
    assert len(pruned) > 1
    first = pruned[0].trial.number
    assert {(e.reused_from, e.row.note) for e in pruned[1:]} == {
        (first, f"equal to trial {first}, which was stopped: median")
    }
    trials = optuna.load_study(study_name="tiny", storage=Home(tmp_path).optuna_url).trials
    values = {tuple(trials[e.trial.number].intermediate_values.items()) for e in pruned}
    assert len(values) == 1
    assert values != {()}
