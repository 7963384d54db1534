"""refit: one configuration, trained once more to be kept. The way from a study's trial to a model that can be used."""

from collections.abc import Generator
from pathlib import Path

import torch

from fer_sweep.data import Fold, Samples
from fer_sweep.data.folds import split_of, undivided
from fer_sweep.data.pictures import Pictures
from fer_sweep.errors import DataError, TrainingFailed
from fer_sweep.models.svm import fit_svm
from fer_sweep.serving.pipeline import FeatureRows, FittedPipeline
from fer_sweep.spec.data import FaceOptions
from fer_sweep.spec.models import SvmModel, extracts
from fer_sweep.spec.trial import TrialConfig
from fer_sweep.training.backbone import with_last_layer
from fer_sweep.training.checkpoint import Checkpoint
from fer_sweep.training.fold_data import FoldData
from fer_sweep.training.inputs import Inputs
from fer_sweep.training.member import Weights
from fer_sweep.training.picture_trials import algorithms, extraction_out_of_memory, out_of_memory, train_alone
from fer_sweep.training.records import EpochReport, TrialFailure
from fer_sweep.training.threads import threads_each
from fer_sweep.training.trial_run import TrialRequest, TrialRun


def refit(
    config: TrialConfig,
    samples: Samples,
    *,
    seed: int,
    device: torch.device,
    fold: Fold | None = None,
    checkpoint: Path | None = None,
) -> Generator[EpochReport, None, FittedPipeline]:
    """Train one network of `config` on all samples, or on the training part of `fold` alone. Yields how it does;
    returns it with all that its input goes through.

    Its seed is derive_seed(seed, fold.repeat, fold.fold), and derive_seed(seed, 0, 0) on all samples: with the seed and
    a fold of a trial, it is the very network that was measured there. On all samples nothing is left to test on, so the
    reports' test metrics are NaN. Interrupted, it goes on from the file `checkpoint`, which the
    caller deletes.

    Raises TrainingFailed if the loss becomes no number or the device's memory is too small, and DataError if the data
    do not suffice or weights to start from cannot be had.
    """
    split = split_of(samples, (undivided(samples) if fold is None else fold,))
    request = TrialRequest(0, config, seed)
    try:
        inputs = Inputs(samples, split, device=device)
        (data,) = inputs.folds(config)
    except torch.OutOfMemoryError as error:
        raise _failed(extraction_out_of_memory(request, error)) from error
    if isinstance(config.model, SvmModel):
        weights: Weights = _svm_weights(config.model, data)
    else:
        kept = None if checkpoint is None else Checkpoint(checkpoint, inputs.key(request))
        weights = yield from _network_weights(request, data, samples.classes, device=device, checkpoint=kept)
    projection = inputs.projection(config, split.folds[0])
    return FittedPipeline(
        input=_input(config, samples),
        descriptors=None if projection is None else config.features,
        projection=projection,
        scaling=data.scaling,
        model=config.model,
        weights=weights,
        class_names=samples.class_names,
    )


def _network_weights(
    request: TrialRequest, data: FoldData, classes: int, *, device: torch.device, checkpoint: Checkpoint | None
) -> Generator[EpochReport, None, Weights]:
    config, trial = request.config, TrialRun(request, [data], keep_weights=True)
    repeatable = config.train.deterministic
    try:
        # a small network's operations are over before threads have met
        with algorithms(repeatable=repeatable, device=device) if config.trains_on_pictures else threads_each(1):
            for record in train_alone(trial, classes, device=device, checkpoint=checkpoint):
                if isinstance(record, TrialFailure):
                    raise _failed(record)
                yield record
    except torch.OutOfMemoryError as error:
        raise _failed(out_of_memory(trial, error)) from error
    (weights,) = trial.weights
    if extracts(config.model):
        return with_last_layer(config.model, weights)
    return weights


def _failed(failure: TrialFailure) -> TrainingFailed:
    return TrainingFailed(f"the model could not be trained: {failure.message}")


def _svm_weights(model: SvmModel, data: FoldData) -> Weights:
    try:
        return fit_svm(model, data.train.x, data.train.y)._asdict()
    except ValueError as error:  # scikit-learn's word for data it cannot fit
        raise DataError(f"scikit-learn could not fit the SVM: {error}. Check the features and labels.") from error


def _input(config: TrialConfig, samples: Samples) -> FeatureRows | FaceOptions:
    if not isinstance(samples.x, Pictures):
        return FeatureRows(samples.feature_names, getattr(config.data, "missing", "error"))
    assert isinstance(config.data, FaceOptions)
    return FaceOptions(face=config.data.face, margin=config.data.margin, no_face=config.data.no_face)
