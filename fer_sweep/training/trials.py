"""run_trials: configurations in, records out. The one entrance to training.

Folds, repeats and all given trials advance in lockstep: a report of epoch e is yielded when every network of the trial
has reached it, so an intermediate value is the mean over folds at the same epoch and pruning is fair.
"""

import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from fer_sweep.cores import own_cores
from fer_sweep.data import Samples, Split
from fer_sweep.errors import DataError
from fer_sweep.models.resnet import load_weights
from fer_sweep.models.svm import fit_svm, svm_votes
from fer_sweep.spec import SweepSpec, resnets_reached
from fer_sweep.spec.models import SvmModel, extracts
from fer_sweep.training.checkpoint import Checkpoint
from fer_sweep.training.cohort import form_cohorts
from fer_sweep.training.fold_data import FoldData
from fer_sweep.training.inputs import Inputs
from fer_sweep.training.picture_trials import extraction_out_of_memory, run_on_pictures
from fer_sweep.training.records import (
    HISTOGRAM_BINS,
    EpochReport,
    NetworkResult,
    Record,
    TrialFailure,
    TrialResult,
)
from fer_sweep.training.seeds import derive_seed
from fer_sweep.training.threads import threads_each
from fer_sweep.training.trial_run import TrialRequest, TrialRun, device_name

__all__ = [
    "Device",
    "DeviceType",
    "TrialRequest",
    "choose_device",
    "device_name",
    "device_type",
    "gpu_count",
    "require_weights",
    "run_trials",
]

Device = torch.device
"""Where trials train, for floors that pass it on and need not know torch."""
DeviceType = Literal["cpu", "cuda"]


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device to train on; `auto` is CUDA where there is one."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)


def device_type(device: Device) -> DeviceType:
    """The kind of a device."""
    return "cuda" if device.type == "cuda" else "cpu"


def gpu_count() -> int:
    """How many GPUs torch sees."""
    return torch.cuda.device_count()


def require_weights(spec: SweepSpec) -> None:
    """Raises DataError, with a line for each, if the base or a trial that the search can propose is to start from
    weights that cannot be had: better now than in the trial that wants them."""
    problems: dict[str, None] = {}  # each once: one missing file is missing for every depth
    for model in resnets_reached(spec):
        try:
            load_weights(model)
        except DataError as error:
            problems[str(error)] = None
    if problems:
        raise DataError("\n".join(problems))


def run_trials(
    requests: Sequence[TrialRequest],
    samples: Samples,
    split: Split,
    *,
    device: torch.device,
    checkpoints: Path | None = None,
) -> Generator[Record, str | None, None]:
    """Train all requests side by side. Yields EpochReports and, for each trial, one TrialResult or TrialFailure.

    A trial on pictures that was interrupted goes on from its file in the folder `checkpoints`; its reports up to there
    are yielded again. The answer sent back for an EpochReport, if not None, is the reason to stop that trial there.
    """
    inputs = Inputs(samples, split, device=device)
    together: list[TrialRequest] = []
    for request in requests:
        if isinstance(request.config.model, SvmModel):
            yield _run_svm(request, inputs, samples.classes)
        elif request.config.trains_on_pictures:  # one after another: each fills the device
            checkpoint = None
            if checkpoints is not None:
                checkpoint = Checkpoint(checkpoints / f"{request.number:05d}.pt", inputs.key(request))
            yield from run_on_pictures(
                request, inputs.folds(request.config), samples.classes, device=device, checkpoint=checkpoint
            )
        else:
            together.append(request)
    if together:
        workers = len(own_cores()) if device.type == "cpu" else 1
        yield from _run_side_by_side(together, inputs, samples.classes, device=device, workers=workers)


def _run_side_by_side(
    requests: Sequence[TrialRequest], inputs: Inputs, classes: int, *, device: torch.device, workers: int
) -> Generator[Record, str | None, None]:
    begun = time.perf_counter()
    running = []
    for request in requests:
        try:
            folds = inputs.folds(request.config)
            running.append(TrialRun(request, folds, keep_weights=extracts(request.config.model)))
        except torch.OutOfMemoryError as error:
            yield extraction_out_of_memory(request, error)
    with _threads(workers) as pool:
        networks = [network for trial in running for network in trial.networks]
        cohorts = list(form_cohorts(networks, classes=classes, device=device, workers=workers))
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
                    yield _explained(trial, trial.result(seconds=seconds, device=device), inputs)
                    running.remove(trial)


def _explained(trial: TrialRun, result: TrialResult, inputs: Inputs) -> TrialResult:
    """The result, with what the first network looks at if it learned on features of pictures."""
    model, first = trial.request.config.model, result.networks[0]
    if not extracts(model) or not len(first.test):
        return result
    return replace(result, explanation=inputs.explain(model, first, trial.weights[0]))


@contextmanager
def _threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that train cohorts side by side, each on one core: torch's own threads would meet at a barrier after
    every operation, and wait there for whoever else uses the machine. A single worker keeps torch's threads."""
    with threads_each(1) if workers > 1 else nullcontext(), ThreadPoolExecutor(workers) as pool:
        yield pool


def _run_svm(request: TrialRequest, inputs: Inputs, classes: int) -> TrialResult | TrialFailure:
    begun = time.perf_counter()
    try:
        networks = tuple(_svm_network(request, data, classes) for data in inputs.folds(request.config))
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
    model, n = request.config.model, len(data.train.y)
    assert isinstance(model, SvmModel)
    svm = fit_svm(model, data.train.x, data.train.y)
    test, validation, train = (svm_votes(model, svm, p.x, classes) for p in (data.test, data.validation, data.train))
    return NetworkResult(
        repeat=data.repeat,
        fold=data.fold,
        seed=derive_seed(request.seed, data.repeat, data.fold),
        test=data.test.index,
        test_probabilities=test,
        validation=data.validation.index,
        validation_probabilities=validation,
        train_accuracy=float((train.argmax(1) == data.train.y).mean()),
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
