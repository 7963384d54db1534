"""Several processes: no trial is lost with one, and none is left behind."""

import multiprocessing
import os
import signal
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from fer_sweep.errors import StudyError
from fer_sweep.execution import dispatch
from fer_sweep.execution import slot as slot_module
from fer_sweep.execution.dispatch import Gone
from fer_sweep.execution.executor import Progress, WorkerLost
from fer_sweep.execution.pool import Pool, places
from fer_sweep.execution.worker import Place, work
from fer_sweep.training.records import TrialFailure
from fer_sweep.training.trial_run import TrialRequest
from tests.execution.trials import LONG, SAMPLES, SPLIT, requests, results, run
from tests.study.studies import sweep


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(SAMPLES, places(slots=2, device="cpu", gpus=0)) as pool:
        yield pool


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


def test_a_process_that_is_killed_while_it_starts_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, killed = slot_module.Slot.start, list[int]()

    def start(slot: slot_module.Slot) -> None:
        begin(slot)
        if len(killed) < slot_module.MOST_FALSE_STARTS - 1:
            killed.append(kill(slot))

    with Pool(SAMPLES, places(slots=1, device="cpu", gpus=0)) as pool:
        kill(pool._dispatch.slots[0])
        monkeypatch.setattr(slot_module.Slot, "start", start)
        assert set(results(run(pool, requests(2), tmp_path))) == {0, 1}
        assert len(killed) == 2

        killed.clear()
        monkeypatch.setattr(slot_module, "MOST_FALSE_STARTS", 1)
        monkeypatch.setattr(slot_module.Slot, "start", lambda slot: (begin(slot), kill(slot)))
        kill(pool._dispatch.slots[0])
        with pytest.raises(StudyError, match=r"did not start as it should: it ended with SIGKILL"):
            run(pool, requests(2), tmp_path)


def kill(slot: slot_module.Slot) -> int:
    """End a slot's process; returns its exit code."""
    assert slot._worker is not None
    process = slot._worker[0]
    process.kill()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def test_a_process_that_dies_in_the_middle_of_a_message_is_gone() -> None:
    slot = slot_module.Slot(places(slots=1, device="cpu", gpus=0)[0], SAMPLES)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=int, daemon=True)
    process.start()
    slot._worker = process, ours
    os.write(theirs.fileno(), struct.pack("!i", 100) + b"the first few bytes of a hundred")
    theirs.close()

    with pytest.raises(Gone, match=r"its process ended with exit code 0"):
        slot.hear()

    slot.empty()


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


def test_time_in_which_nobody_answers_a_trial_is_not_the_trials(tmp_path: Path) -> None:
    wanted, seen = requests(1, sweep(train={"epochs": 3000, "learning_rate": 0.001})), list[Progress]()
    with Pool(SAMPLES, places(slots=1, device="cpu", gpus=0), trial_timeout=10.0) as pool:
        for record in pool.run(wanted, SPLIT, folder=tmp_path):
            if not seen:
                time.sleep(11.0)  # as while the database of searches is away
            seen.append(record)

    assert set(results(seen)) == {0}


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


def test_another_fer_sweep_in_the_path_is_not_taken_for_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fer_sweep").mkdir()  # as a model of MLflow that was loaded puts its own part of the package first
    (tmp_path / "fer_sweep" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    with Pool(SAMPLES, places(slots=1, device="cpu", gpus=0)) as pool:
        assert pool.slots == 1
    assert sys.path[0] == str(tmp_path)


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
    assert [place.threads for place in two] == [3, 2]
    assert [sorted(place.cores or ()) for place in many] == [[0], [1], [2], [3], [4], [0], [1]]


def test_a_worker_computes_with_its_threads_though_torch_is_loaded_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # put back afterwards
    before, handler = torch.get_num_threads(), signal.getsignal(signal.SIGINT)
    ours, theirs = multiprocessing.Pipe()
    ours.send(SAMPLES)
    ours.close()
    try:
        torch.set_num_threads(2)
        work(theirs, Place("cpu", {}, threads=1, cores=None))
        assert torch.get_num_threads() == 1
        assert os.environ["OMP_NUM_THREADS"] == "1"
    finally:
        torch.set_num_threads(before)
        signal.signal(signal.SIGINT, handler)


def test_workers_take_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [place.environment["CUDA_VISIBLE_DEVICES"] for place in places(slots=4, device="cuda", gpus=2)] == [
        "0", "1", "0", "1",
    ]  # fmt: skip
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,3")
    assert [place.environment["CUDA_VISIBLE_DEVICES"] for place in places(slots=2, device="cuda", gpus=2)] == ["5", "3"]
