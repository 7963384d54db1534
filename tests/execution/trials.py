"""Trials for executors, and what comes out of them."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from fer_sweep.data import load_samples, make_split
from fer_sweep.execution.executor import Executor, Progress
from fer_sweep.spec import SweepSpec
from fer_sweep.training.records import TrialResult
from fer_sweep.training.trial_run import TrialRequest
from tests.study.studies import sweep

SPEC = sweep()
SAMPLES = load_samples(SPEC.data)
SPLIT = make_split(SAMPLES, SPEC.protocol)
LONG = sweep(train={"epochs": 1_000_000, "learning_rate": 0.001}, model={"kind": "mlp", "hidden_units": 200})


def requests(count: int, spec: SweepSpec = SPEC) -> list[TrialRequest]:
    return [TrialRequest(number, spec.base, seed=number) for number in range(count)]


def run(executor: Executor, wanted: Sequence[TrialRequest], folder: Path) -> list[Progress]:
    with closing(executor.run(wanted, SPLIT, folder=folder)) as records:
        return list(records)


def results(records: Sequence[Progress]) -> dict[int, TrialResult]:
    found = [record for record in records if isinstance(record, TrialResult)]
    assert len({result.trial for result in found}) == len(found)
    return {result.trial: result for result in found}
