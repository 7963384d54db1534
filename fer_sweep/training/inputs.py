"""What the models of a batch of trials are fed with, computed once for all trials that want the same."""

import hashlib

import numpy as np
import torch

from fer_sweep.data import Fold, Samples, Split
from fer_sweep.data.pictures import Pictures
from fer_sweep.features.descriptors import Descriptors, describe
from fer_sweep.features.projection import Projection, fit_projection, project
from fer_sweep.spec.models import CnnModel, ResnetModel
from fer_sweep.spec.trial import FeaturesConfig, TrialConfig
from fer_sweep.training.backbone import extract_features
from fer_sweep.training.fold_data import FloatArray, FoldData, picture_fold, prepare_fold
from fer_sweep.training.trial_run import TrialRequest

CHECKPOINTS = 2
"""Version of what a checkpoint holds; one of another version is not gone on from."""


class Inputs:
    """Turns the folds of a split into what a configuration's model sees."""

    def __init__(self, samples: Samples, split: Split, *, device: torch.device) -> None:
        self._samples, self._split, self._device = samples, split, device
        self._descriptors: dict[FeaturesConfig, Descriptors] = {}
        self._projected: dict[tuple[FeaturesConfig, int], tuple[FloatArray, Projection]] = {}
        self._extracted: dict[ResnetModel, tuple[FloatArray, FloatArray]] = {}

    def folds(self, config: TrialConfig) -> list[FoldData]:
        """The data of every fold of the split, in its order.

        Raises DataError if weights or components are asked for that there are not.
        """
        samples, normalize, model = self._samples, config.train.normalize, config.model
        if not isinstance(samples.x, Pictures):
            return [prepare_fold(samples, fold, normalize) for fold in self._split.folds]
        if config.trains_on_pictures:
            assert isinstance(model, CnnModel | ResnetModel)
            pixels = samples.x.pixels(model.input_size)
            return [picture_fold(samples, fold, pixels) for fold in self._split.folds]
        if isinstance(model, ResnetModel):
            if model not in self._extracted:
                self._extracted[model] = extract_features(samples.x, model, self._device)
            plain, mirrored = self._extracted[model]
            return [
                # torchvision's features are rectified and of one scale: used as they are, as in the plain loop
                prepare_fold(samples, fold, False, x=plain, mirrored=mirrored if config.augment.flip else None)
                for fold in self._split.folds
            ]
        components = [self._components(config.features, *numbered) for numbered in enumerate(self._split.folds)]
        return [
            prepare_fold(samples, fold, normalize, x=x, projection=projection)
            for fold, (x, projection) in zip(self._split.folds, components, strict=True)
        ]

    def key(self, request: TrialRequest) -> str:
        """Hash of all that the course of a trial depends on, and of what its checkpoints hold."""
        parts = (CHECKPOINTS, request.config.model_dump_json(), request.seed, request.report_epochs)
        digest = hashlib.sha256(repr((*parts, self._split.hash, self._samples.fingerprint)).encode())
        return digest.hexdigest()[:16]

    def _components(self, config: FeaturesConfig, position: int, fold: Fold) -> tuple[FloatArray, Projection]:
        plain = config.model_copy(update={"components": "all", "fit_on": "train"})  # what descriptors do not depend on
        if plain not in self._descriptors:
            self._descriptors[plain] = describe(self._samples.pictures, plain)
        key = (config, -1 if config.fit_on == "all" or config.components == "all" else position)
        if key not in self._projected:
            rows = np.arange(len(self._samples)) if config.fit_on == "all" else fold.train
            projection = fit_projection(self._descriptors[plain], rows, config.components)
            self._projected[key] = project(projection, self._descriptors[plain]), projection
        return self._projected[key]
