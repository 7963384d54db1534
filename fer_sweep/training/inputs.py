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
from fer_sweep.training.backbone import Backbone
from fer_sweep.training.explanation import typical
from fer_sweep.training.fold_data import FloatArray, FoldData, IntArray, picture_fold, prepare_fold
from fer_sweep.training.member import Weights
from fer_sweep.training.records import Explanation, NetworkResult
from fer_sweep.training.trial_run import TrialRequest

CHECKPOINTS = 3
"""Version of what a checkpoint holds; one of another version is not gone on from."""


class Inputs:
    """Turns the folds of a split into what a configuration's model sees."""

    def __init__(self, samples: Samples, split: Split, *, device: torch.device) -> None:
        self._samples, self._split, self._device = samples, split, device
        self._descriptors: dict[FeaturesConfig, Descriptors] = {}
        self._components: dict[tuple[FeaturesConfig, str], FloatArray] = {}
        self._backbones: dict[ResnetModel, Backbone] = {}
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
                self._extracted[model] = self._backbone(model).features(samples.x)
            plain, mirrored = self._extracted[model]
            return [
                # torchvision's features are rectified and of one scale: used as they are, as in the plain loop
                prepare_fold(samples, fold, False, x=plain, mirrored=mirrored if config.augment.flip else None)
                for fold in self._split.folds
            ]
        return [
            prepare_fold(samples, fold, normalize, x=self._projected(config.features, fold))
            for fold in self._split.folds
        ]

    def projection(self, config: TrialConfig, fold: Fold) -> Projection | None:
        """What descriptors go through before the model of this fold sees them; None for a model that sees none."""
        if not config.sees_descriptors:
            return None
        rows = self._fitted_on(config.features, fold)
        return fit_projection(self._described(config.features), rows, config.features.components)

    def explain(self, model: ResnetModel, network: NetworkResult, last: Weights) -> Explanation:
        """What a network of `mode: extract` looks at. last: the layer that it learned, the fields of LinearWeights."""
        chosen = network.test[typical(self._samples.y[network.test], network.test_probabilities)]
        return self._backbone(model).explain(self._samples.pictures, chosen, last)

    def key(self, request: TrialRequest) -> str:
        """Hash of all that the course of a trial depends on, and of what its checkpoints hold."""
        parts = (CHECKPOINTS, request.config.model_dump_json(), request.seed, request.report_epochs)
        digest = hashlib.sha256(repr((*parts, self._split.hash, self._samples.fingerprint)).encode())
        return digest.hexdigest()[:16]

    def _backbone(self, model: ResnetModel) -> Backbone:
        if model not in self._backbones:
            self._backbones[model] = Backbone(model, self._device)
        return self._backbones[model]

    def _projected(self, config: FeaturesConfig, fold: Fold) -> FloatArray:
        """(N, d) what descriptors become for this fold; principal components are remembered by the pictures' cache."""
        rows = self._fitted_on(config, fold)
        fitted = "" if config.components == "all" else hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()

        def compute() -> FloatArray:
            blocks = self._described(config)
            return project(fit_projection(blocks, rows, config.components), blocks)

        if (config, fitted) not in self._components:
            kept = self._samples.pictures.computed
            self._components[config, fitted] = (
                kept("components", (config.model_dump_json(), fitted), compute) if fitted else compute()
            )
        return self._components[config, fitted]

    def _fitted_on(self, config: FeaturesConfig, fold: Fold) -> IntArray:
        return np.arange(len(self._samples)) if config.fit_on == "all" else fold.train

    def _described(self, config: FeaturesConfig) -> Descriptors:
        plain = config.model_copy(update={"components": "all", "fit_on": "train"})  # what descriptors do not depend on
        if plain not in self._descriptors:
            self._descriptors[plain] = describe(self._samples.pictures, plain)
        return self._descriptors[plain]
