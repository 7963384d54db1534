"""One trial on pictures: epoch by epoch, with checkpoints, and a clear word when the device's memory is too small."""

import os
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

import torch

from fer_sweep.data.counts import counted
from fer_sweep.spec.models import ResnetModel
from fer_sweep.training.backbone import BATCH
from fer_sweep.training.checkpoint import Checkpoint
from fer_sweep.training.cohort import form_cohorts
from fer_sweep.training.fold_data import FoldData
from fer_sweep.training.records import EpochReport, Record, TrialFailure
from fer_sweep.training.trial_run import TrialRequest, TrialRun


def run_on_pictures(
    request: TrialRequest,
    folds: Sequence[FoldData],
    classes: int,
    *,
    device: torch.device,
    checkpoint: Checkpoint | None = None,
) -> Generator[Record, str | None, None]:
    """Train one trial as `run_trials` says. When the generator is closed early, the checkpoint is written."""
    begun = time.perf_counter()
    trial = TrialRun(request, folds)
    try:
        with algorithms(repeatable=request.config.train.deterministic, device=device):
            yield from train_alone(trial, classes, device=device, checkpoint=checkpoint)
        if trial.ended:
            yield trial.result(seconds=time.perf_counter() - begun, device=device)
    except torch.OutOfMemoryError as error:
        yield out_of_memory(trial, error)
    if checkpoint is not None:
        checkpoint.delete()


@contextmanager
def algorithms(*, repeatable: bool, device: torch.device) -> Iterator[None]:
    """On a GPU: let cuDNN look for the fastest algorithm of every shape, or take only those that give the same numbers
    twice, as far as torch has them (it warns where it has none). A CPU needs neither."""
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, torch.are_deterministic_algorithms_enabled()
    cudnn.benchmark = not repeatable
    if repeatable:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs to be repeatable
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        cudnn.benchmark = before[0]
        torch.use_deterministic_algorithms(before[1])


def train_alone(
    trial: TrialRun, classes: int, *, device: torch.device, checkpoint: Checkpoint | None = None
) -> Generator[EpochReport | TrialFailure, str | None, None]:
    """Train one trial of any kind to its end. Yields the reports, and a failure if a loss is no number."""
    (cohort,) = form_cohorts(trial.networks, classes=classes, device=device, workers=1)
    trial.join([cohort])
    earlier = (None if checkpoint is None else checkpoint.restore(cohort)) or []
    done = earlier[-1].epoch if earlier else -1
    try:
        for epoch in sorted(trial.observed_epochs):
            if epoch <= done:
                record: EpochReport | TrialFailure = trial.remember(earlier.pop(0))
            else:
                cohort.advance_and_observe(epoch, {trial.request.number})
                record = trial.report(epoch)
            reason = yield record
            if isinstance(record, TrialFailure):
                return
            if reason is not None:
                trial.end(reason)
            if trial.ended:
                return
            if checkpoint is not None and checkpoint.due and epoch > done:
                checkpoint.save(cohort, trial.reports)
    except GeneratorExit:
        if checkpoint is not None and trial.reports and trial.reports[-1].epoch > done:
            checkpoint.save(cohort, trial.reports)
        raise


def out_of_memory(trial: TrialRun, error: torch.OutOfMemoryError) -> TrialFailure:
    """The failure that it is when the device's memory was too small."""
    config, networks = trial.request.config, len(trial.networks)
    return _too_small(
        trial.request,
        f"{counted(networks, 'network')} of a trial with train.batch_size: {config.train.batch_size} and "
        f"model.input_size: {getattr(config.model, 'input_size', '')}. A smaller batch size or input size, fewer "
        "protocol.repeats, or train.precision: bfloat16 need less.",
        error,
    )


def extraction_out_of_memory(request: TrialRequest, error: torch.OutOfMemoryError) -> TrialFailure:
    """The failure of a trial in whose `mode: extract` the frozen network itself did not fit."""
    model = request.config.model
    assert isinstance(model, ResnetModel)
    return _too_small(
        request,
        f"the frozen ResNet-{model.depth} on {BATCH} pictures at once with model.input_size: {model.input_size}. A "
        "smaller input size or model.depth needs less, and resources.device: cpu none: features are computed once.",
        error,
    )


def _too_small(request: TrialRequest, needed: str, error: torch.OutOfMemoryError) -> TrialFailure:
    return TrialFailure(
        trial=request.number,
        kind="memory",
        message=f"the GPU's memory is too small for {needed} ({str(error).splitlines()[0]})",
    )
