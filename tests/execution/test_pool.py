"""Several processes: the same answers as one, and no trial lost with a process."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from fer_sweep.data import load_samples, make_split
from fer_sweep.errors import StudyError
from fer_sweep.execution import dispatch
from fer_sweep.execution import slot as slot_module
from fer_sweep.execution.executor import Executor, Progress, WorkerLost
from fer_sweep.execution.inline import Inline
from fer_sweep.execution.pool import Pool, places
from fer_sweep.spec import SweepSpec
from fer_sweep.training.records import EpochReport, TrialFailure, TrialResult
from fer_sweep.training.trial_run import TrialRequest
from tests.study.studies import CPU, sweep

SPEC = sweep()
SAMPLES = load_samples(SPEC.data)
SPLIT = make_split(SAMPLES, SPEC.protocol)
LONG = sweep(train={"epochs": 1_000_000, "learning_rate": 0.001}, model={"kind": "mlp", "hidden_units": 200})


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(SAMPLES, places(slots=2, device="cpu", gpus=0)) as pool:
        yield pool


def requests(count: int, spec: SweepSpec = SPEC) -> list[TrialRequest]:
    return [TrialRequest(number, spec.base, seed=number) for number in range(count)]


def run(executor: Executor, wanted: Sequence[TrialRequest], folder: Path) -> list[Progress]:
    with closing(executor.run(wanted, SPLIT, folder=folder)) as records:
        return list(records)


def results(records: Sequence[Progress]) -> dict[int, TrialResult]:
    found = [record for record in records if isinstance(record, TrialResult)]
    assert len({result.trial for result in found}) == len(found)
    return {result.trial: result for result in found}


def test_the_answers_are_those_of_one_process(pool: Pool, tmp_path: Path) -> None:
    alone = run(Inline(SAMPLES, CPU), requests(5), tmp_path / "alone")

    shared = run(pool, requests(5), tmp_path / "shared")

    expected, found = results(alone), results(shared)
    assert set(found) == set(expected) == set(range(5))
    for number, result in expected.items():
        for network, other in zip(result.networks, found[number].networks, strict=True):
            np.testing.assert_allclose(network.test_probabilities, other.test_probabilities, rtol=1e-5)
    reports = [[record for record in records if isinstance(record, EpochReport)] for records in (alone, shared)]
    losses = [{(report.trial, report.epoch): report.train_loss for report in some} for some in reports]
    assert losses[1] == pytest.approx(losses[0])


def test_a_trial_is_stopped_at_the_report_that_was_answered(pool: Pool, tmp_path: Path) -> None:
    records = pool.run(requests(2), SPLIT, folder=tmp_path)
    seen: list[Progress] = []
    stop: str | None = None
    with closing(records):
        while True:
            try:
                record = records.send(stop)
            except StopIteration:
                break
            seen.append(record)
            stop = "median" if isinstance(record, EpochReport) and (record.trial, record.epoch) == (1, 3) else None

    assert {number: result.stopped for number, result in results(seen).items()} == {0: None, 1: "median"}
    assert max(record.epoch for record in seen if isinstance(record, EpochReport) and record.trial == 1) == 3


def test_what_training_raises_fails_the_trial_alone(pool: Pool, tmp_path: Path) -> None:
    wanted = [*requests(2), TrialRequest(2, SPEC.base, 2, report_epochs=("now",))]  # type: ignore[arg-type]

    records = run(pool, wanted, tmp_path)

    assert set(results(records)) == {0, 1}
    (failed,) = [record for record in records if isinstance(record, TrialFailure)]
    assert (failed.trial, failed.kind) == (2, "error")
    assert "Traceback" in failed.traceback


def test_trials_of_a_killed_process_run_again_elsewhere(pool: Pool, tmp_path: Path) -> None:
    seen: list[Progress] = []
    wanted = requests(4, sweep(train={"epochs": 3000, "learning_rate": 0.001}))
    with closing(pool.run(wanted, SPLIT, folder=tmp_path)) as records:
        for record in records:
            if not seen:
                multiprocessing.active_children()[0].kill()
            seen.append(record)

    lost = [record for record in seen if isinstance(record, WorkerLost)]
    assert len({record.trial for record in lost}) == len(lost) == 2
    assert {record.why for record in lost} == {"its process ended with SIGKILL (was there too little memory?)"}
    assert set(results(seen)) == set(range(4))


def test_a_trial_that_loses_every_process_fails(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "MOST_LOSSES", 0)

    with closing(pool.run(requests(1, LONG), SPLIT, folder=tmp_path)) as records:
        next(records)
        for process in multiprocessing.active_children():
            process.kill()
        failed = next(record for record in records if isinstance(record, TrialFailure))

    assert failed.kind == "lost"
    assert failed.message == (
        "its process ended with SIGKILL (was there too little memory?), 1 times in a row: it is given up"
    )
    assert set(results(run(pool, requests(2), tmp_path))) == {0, 1}, "the pool is as good as before"


def test_a_stuck_trial_is_ended_and_others_are_not(tmp_path: Path) -> None:
    with Pool(SAMPLES, places(slots=1, device="cpu", gpus=0), trial_timeout=3.0) as pool:
        long = TrialRequest(0, LONG.base, seed=0)
        records = run(pool, [long, *requests(3)[1:]], tmp_path)

    assert [record.why for record in records if isinstance(record, WorkerLost)][:1] == [
        "resources.trial_timeout: more than 3 seconds for each"
    ]
    (failed,) = [record for record in records if isinstance(record, TrialFailure)]
    assert (failed.trial, failed.kind) == (0, "timeout")
    assert failed.message == "resources.trial_timeout: it took more than 3 seconds"
    assert set(results(records)) == {1, 2}


def test_closing_early_leaves_the_workers_free_for_others(pool: Pool, tmp_path: Path) -> None:
    running = pool.run(requests(2, LONG), SPLIT, folder=tmp_path)
    next(running)

    running.close()

    assert set(results(run(pool, requests(2), tmp_path))) == {0, 1}


def test_what_a_trial_prints_is_kept(pool: Pool, tmp_path: Path) -> None:
    run(pool, requests(2), tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"00000.log", "00001.log"}


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    before = set(multiprocessing.active_children())

    with Pool(SAMPLES, places(slots=1, device="cpu", gpus=0)) as pool:
        (process,) = set(multiprocessing.active_children()) - before
        pid = process.pid
        next(pool.run(requests(1, LONG), SPLIT, folder=tmp_path))

    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_that_does_not_start_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_module, "START_SECONDS", 0.0)

    with pytest.raises(StudyError) as caught:
        Pool(SAMPLES, places(slots=1, device="cpu", gpus=0))

    assert str(caught.value) == (
        "a process that trials were to run in did not start as it should: it has said nothing for 0 seconds. Is there "
        "memory for another copy of the samples? Fewer --slots, or --executor inline, need less."
    )


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4}, raising=False)

    two = places(slots=2, device="cpu", gpus=0)
    many = places(slots=7, device="cpu", gpus=0)

    assert [sorted(place.cores or ()) for place in two] == [[0, 2, 4], [1, 3]]
    assert [place.environment["OMP_NUM_THREADS"] for place in two] == ["3", "2"]
    assert [sorted(place.cores or ()) for place in many] == [[0], [1], [2], [3], [4], [0], [1]]


def test_workers_take_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [place.environment["CUDA_VISIBLE_DEVICES"] for place in places(slots=4, device="cuda", gpus=2)] == [
        "0", "1", "0", "1",
    ]  # fmt: skip
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,3")
    assert [place.environment["CUDA_VISIBLE_DEVICES"] for place in places(slots=2, device="cuda", gpus=2)] == ["5", "3"]
