"""What holds wherever trials run: the same answers as in this process, and no word lost on the way."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from fer_sweep.execution.executor import Executor, Progress
from fer_sweep.execution.inline import Inline
from fer_sweep.execution.opening import open_executor
from fer_sweep.spec.search import Resources
from fer_sweep.training.records import EpochReport, TrialFailure
from fer_sweep.training.trial_run import TrialRequest
from tests.execution.trials import LONG, SAMPLES, SPEC, SPLIT, requests, results, run
from tests.study.studies import CPU


@pytest.fixture(scope="module", params=["pool", "ray"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "ray":
        pytest.importorskip("ray", reason="Ray is not installed: pip install 'fer-sweep[ray]'")
    resources = Resources(executor=request.param, slots=2, device="cpu", ray_address=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        with open_executor(resources, SAMPLES) as executor:
            yield executor


def test_the_answers_are_those_of_one_process(executor: Executor, tmp_path: Path) -> None:
    alone = run(Inline(SAMPLES, CPU), requests(5), tmp_path / "alone")

    shared = run(executor, requests(5), tmp_path / "shared")

    expected, found = results(alone), results(shared)
    assert set(found) == set(expected) == set(range(5))
    for number, result in expected.items():
        for network, other in zip(result.networks, found[number].networks, strict=True):
            np.testing.assert_allclose(network.test_probabilities, other.test_probabilities, rtol=1e-5)
    reports = [[record for record in records if isinstance(record, EpochReport)] for records in (alone, shared)]
    losses = [{(report.trial, report.epoch): report.train_loss for report in some} for some in reports]
    assert losses[1] == pytest.approx(losses[0])


def test_a_trial_is_stopped_at_the_report_that_was_answered(executor: Executor, tmp_path: Path) -> None:
    records = executor.run(requests(2), SPLIT, folder=tmp_path)
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


def test_what_training_raises_fails_the_trial_alone(executor: Executor, tmp_path: Path) -> None:
    wanted = [*requests(2), TrialRequest(2, SPEC.base, 2, report_epochs=("now",))]  # type: ignore[arg-type]

    records = run(executor, wanted, tmp_path)

    assert set(results(records)) == {0, 1}
    (failed,) = [record for record in records if isinstance(record, TrialFailure)]
    assert (failed.trial, failed.kind) == (2, "error")
    assert "Traceback" in failed.traceback


def test_closing_early_leaves_the_workers_free_for_others(executor: Executor, tmp_path: Path) -> None:
    running = executor.run(requests(2, LONG), SPLIT, folder=tmp_path)
    next(running)

    running.close()

    assert set(results(run(executor, requests(2), tmp_path))) == {0, 1}


def test_what_a_trial_prints_is_kept(executor: Executor, tmp_path: Path) -> None:
    run(executor, requests(2), tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"00000.log", "00001.log"}
