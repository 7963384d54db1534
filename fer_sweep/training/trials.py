"""run_trials: configurations in, records out. The one entrance to training.

Folds, repeats and all given trials advance in lockstep: a report of epoch e is yielded when every network of the trial
has reached it, so an intermediate value is the mean over folds at the same epoch and pruning is fair.
"""

import math
import os
import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from fer_sweep.data import Samples, Split
from fer_sweep.models.svm import fit_svm, svm_votes
from fer_sweep.spec.trial import SvmModel, TrialConfig
from fer_sweep.training.cohort import Cohort, form_cohorts
from fer_sweep.training.fold_data import FoldData, prepare_fold
from fer_sweep.training.metrics import mean_values
from fer_sweep.training.network_run import Network, NetworkRun
from fer_sweep.training.records import (
    HISTOGRAM_BINS,
    EpochReport,
    NetworkResult,
    Record,
    TrialFailure,
    TrialResult,
)
from fer_sweep.training.seeds import derive_seed

Device = torch.device
"""Where trials train, for floors that pass it on and need not know torch."""

OBSERVATIONS = 200
"""A trial is looked at (accuracies, loss histogram, report) at most about this many times, at even distances."""


@dataclass(frozen=True)
class TrialRequest:
    """A trial to run. `seed` gives every network its initial weights through derive_seed(seed, repeat, fold);
    `report_epochs` are reported besides the regular ones, so that trials of different length can be compared."""

    number: int
    config: TrialConfig
    seed: int
    report_epochs: tuple[int, ...] = ()


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device to train on; `auto` is CUDA where there is one."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)


def run_trials(
    requests: Sequence[TrialRequest], samples: Samples, split: Split, *, device: torch.device
) -> Generator[Record, str | None, None]:
    """Train all requests side by side. Yields EpochReports and, for each trial, one TrialResult or TrialFailure.

    The answer sent back for an EpochReport, if it is not None, is the reason to stop that trial there.
    """
    begun = time.perf_counter()
    for request in requests:
        if isinstance(request.config.model, SvmModel):
            yield _run_svm(request, samples, split)
    running = [_Trial(r, samples, split) for r in requests if not isinstance(r.config.model, SvmModel)]
    with _workers(device) as (pool, workers):
        networks = [network for trial in running for network in trial.networks]
        cohorts = list(form_cohorts(networks, classes=samples.classes, device=device, workers=workers))
        for trial in running:
            trial.join(cohorts)
        for epoch in sorted({epoch for trial in running for epoch in trial.observed_epochs}):
            due = [trial for trial in running if epoch in trial.observed_epochs]
            numbers = {trial.request.number for trial in due}
            concerned = {id(c): c for trial in due for c in trial.cohorts}.values()
            list(pool.map(lambda cohort: cohort.advance_and_observe(epoch, numbers), concerned))  # noqa: B023
            for trial in due:
                record = trial.report(epoch)
                reason = yield record
                if isinstance(record, EpochReport) and reason is not None:
                    trial.end(reason)
                if isinstance(record, TrialFailure):
                    running.remove(trial)
                elif trial.ended:
                    seconds = (time.perf_counter() - begun) / len(requests)
                    yield trial.result(seconds=seconds, device=device)
                    running.remove(trial)


@contextmanager
def _workers(device: torch.device) -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """Threads that train cohorts side by side. On the CPU each uses one core: torch's own threads would meet at a
    barrier after every operation, and wait there for whoever else uses the machine."""
    workers = len(os.sched_getaffinity(0)) if device.type == "cpu" and hasattr(os, "sched_getaffinity") else 1
    threads = torch.get_num_threads()
    if workers > 1:
        torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(workers) as pool:
            yield pool, workers
    finally:
        torch.set_num_threads(threads)


class _Trial:
    """A trial on its way: its networks, wherever they train, and what was reported so far."""

    def __init__(self, request: TrialRequest, samples: Samples, split: Split) -> None:
        self.request = request
        last = request.config.train.last_epoch
        regular = range(0, last, math.ceil(last / OBSERVATIONS))
        self.observed_epochs = frozenset((*regular, *(e for e in request.report_epochs if e < last), last))
        self.networks = [
            Network(request.number, data, request.config, derive_seed(request.seed, data.repeat, data.fold))
            for data in _fold_data(request.config, samples, split)
        ]
        self.cohorts: list[Cohort] = []
        self._runs: list[NetworkRun] = []
        self._reports: list[EpochReport] = []
        self._stopped: str | None = None

    def join(self, cohorts: Sequence[Cohort]) -> None:
        """Find this trial's networks among the cohorts."""
        for cohort in cohorts:
            mine = [run for run in cohort.runs if run.network.trial == self.request.number]
            if mine:
                self.cohorts.append(cohort)
                self._runs += mine

    @property
    def ended(self) -> bool:
        return all(run.ended is not None for run in self._runs)

    def report(self, epoch: int) -> EpochReport | TrialFailure:
        """How the trial does at an epoch; a failure, which ends it, once a loss is no longer a finite number."""
        seen = [run.observation for run in self._runs if run.observation is not None]
        validation = [o.validation for o in seen if o.validation is not None]
        report = EpochReport(
            trial=self.request.number,
            epoch=epoch,
            last_epoch=self.request.config.train.last_epoch,
            train_loss=float(np.mean([o.train_loss for o in seen])),
            loss_variance=float(np.mean([o.loss_variance for o in seen])),
            active_samples=float(np.mean([o.active for o in seen])),
            test=mean_values([o.test for o in seen]),
            validation=mean_values(validation) if validation else None,
        )
        if not math.isfinite(report.train_loss):
            self.end("diverged")
            return self._failure(epoch)
        self._reports.append(report)
        return report

    def end(self, reason: str) -> None:
        self._stopped = reason
        for cohort in self.cohorts:
            cohort.end(self.request.number)

    def _failure(self, epoch: int) -> TrialFailure:
        return TrialFailure(
            trial=self.request.number,
            kind="diverged",
            message=f"the training loss is no longer a finite number at epoch {epoch}: the network diverged. "
            f"A smaller train.learning_rate (now {self.request.config.train.learning_rate:g}) or train.normalize: true "
            "usually helps.",
        )

    def result(self, *, seconds: float, device: torch.device) -> TrialResult:
        networks = sorted((r.result for r in self._runs if r.result is not None), key=lambda n: (n.repeat, n.fold))
        return TrialResult(
            trial=self.request.number,
            networks=tuple(networks),
            reports=tuple(self._reports),
            seconds=seconds,
            device=_device_name(device),
            stopped=self._stopped,
        )


def _fold_data(config: TrialConfig, samples: Samples, split: Split) -> list[FoldData]:
    return [prepare_fold(samples, fold, config.train.normalize) for fold in split.folds]


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _run_svm(request: TrialRequest, samples: Samples, split: Split) -> TrialResult | TrialFailure:
    begun = time.perf_counter()
    try:
        networks = tuple(
            _svm_network(request, data, samples.classes) for data in _fold_data(request.config, samples, split)
        )
    except ValueError as error:  # scikit-learn's word for data it cannot fit
        return TrialFailure(
            request.number, "error", f"scikit-learn could not fit the SVM: {error}", traceback.format_exc()
        )
    return TrialResult(
        trial=request.number,
        networks=networks,
        reports=(),
        seconds=time.perf_counter() - begun,
        device="cpu",
    )


def _svm_network(request: TrialRequest, data: FoldData, classes: int) -> NetworkResult:
    assert isinstance(request.config.model, SvmModel)
    svm = fit_svm(request.config.model, data.train.x, data.train.y)
    n = len(data.train.y)
    validation = (
        svm_votes(svm, data.validation.x, classes) if len(data.validation.y) else np.empty((0, classes), np.float32)
    )
    return NetworkResult(
        repeat=data.repeat,
        fold=data.fold,
        seed=derive_seed(request.seed, data.repeat, data.fold),
        test=data.test.index,
        test_probabilities=svm_votes(svm, data.test.x, classes),
        validation=data.validation.index,
        validation_probabilities=validation,
        train_accuracy=float((svm_votes(svm, data.train.x, classes).argmax(1) == data.train.y).mean()),
        epochs=0,
        ended="epochs",
        train_loss=np.empty(0, dtype=np.float32),
        loss_variance=np.empty(0, dtype=np.float32),
        active=np.full(1, n, dtype=np.int32),
        histogram_epochs=np.empty(0, dtype=np.int64),
        histograms=np.empty((0, HISTOGRAM_BINS), dtype=np.int32),
        removals=(),
        train_size=n,
    )
