"""Pretraining: a ResNet learns on one set of faces, and its weights are what a study on another one starts from."""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from fer_sweep import __version__
from fer_sweep.data import Fold, Samples
from fer_sweep.data.folds import split_of
from fer_sweep.errors import SpecError
from fer_sweep.models.weights_file import Origin, pictures_behind
from fer_sweep.serving.pipeline import Weights
from fer_sweep.spec import SweepSpec, resnets_reached
from fer_sweep.spec.configuration import flatten
from fer_sweep.spec.models import ResnetModel
from fer_sweep.spec.trial import TrialConfig
from fer_sweep.training.records import EpochReport
from fer_sweep.training.refit import refit

NAMED = ("imagenet", "none")
"""Weights that are no file."""


@dataclass(frozen=True, eq=False)
class Pretrained:
    """weights: tensors of the network by name, its last layer among them; origin: how they came about."""

    weights: Weights
    origin: Origin


def require_backbone(config: TrialConfig) -> None:
    """Raises SpecError unless a configuration trains what others can start from."""
    model = config.model
    if not isinstance(model, ResnetModel):
        raise SpecError(
            f"model.kind: {model.kind} never starts from a file of weights, so there is no use in pretraining one. "
            "Use model.kind: resnet with model.mode: finetune."
        )
    if model.mode == "extract":
        raise SpecError(
            "model.mode: extract learns a new last layer only, so the rest would come out as it went in. Use "
            "model.mode: finetune."
        )


def pretrain(
    config: TrialConfig, samples: Samples, fold: Fold, *, seed: int, device: torch.device, checkpoint: Path
) -> Generator[EpochReport, None, Pretrained]:
    """Train one network on the training part of `fold` and measure it on the validation part, or on the test part where
    there is no other. Yields how it does; returns it as it was measured, after the last epoch.

    Interrupted, it goes on from the file `checkpoint`, which is the caller's to delete. Raises what `refit` does.
    """
    assert isinstance(config.model, ResnetModel)
    earlier = _behind(config.model.weights)
    with closing(refit(config, samples, seed=seed, device=device, fold=fold, checkpoint=checkpoint)) as reports:
        while True:
            try:
                last = next(reports)
            except StopIteration as end:
                return Pretrained(end.value.weights, _origin(config, samples, fold, last, seed=seed, earlier=earlier))
            yield last


def _origin(
    config: TrialConfig, samples: Samples, fold: Fold, last: EpochReport, *, seed: int, earlier: frozenset[str]
) -> Origin:
    rest = fold.validation if len(fold.validation) else fold.test
    scores = (last.validation or last.test) if len(rest) else None
    pictures = {samples.pictures.digests[i] for i in fold.train} | earlier
    return Origin(
        version=__version__,
        configuration=flatten(config),
        seed=seed,
        fingerprint=samples.fingerprint,
        class_names=samples.class_names,
        samples=len(samples),
        persons=len(np.unique(samples.person)),
        trained_on=len(fold.train),
        held_out=len(rest),
        person_independent=split_of(samples, (fold,)).person_independent,
        train_loss=last.train_loss,
        train_accuracy=last.train_accuracy,
        accuracy=None if scores is None else scores.accuracy,
        macro_f1=None if scores is None else scores.macro_f1,
        uar=None if scores is None else scores.uar,
        most_frequent=None if scores is None else float(np.bincount(samples.y[rest]).max() / len(rest)),
        pictures=tuple(sorted(pictures)),
    )


def note_pretraining(samples: Samples, spec: SweepSpec) -> Samples:
    """The samples, with a warning for every file of weights in reach of the sweep that was made from some of their
    pictures. Raises DataError if there is no such file."""
    return replace(samples, warnings=(*samples.warnings, *_seen_before(samples, spec)))


def _seen_before(samples: Samples, spec: SweepSpec) -> Iterator[str]:
    for path in dict.fromkeys(model.weights for model in resnets_reached(spec)):
        behind = _behind(path)
        seen = sum(digest in behind for digest in samples.pictures.digests)
        if seen:
            yield (
                f"{seen} of {len(samples)} pictures were trained on when {path} was made: with these weights, scores "
                "are not of unseen faces."
            )


def _behind(weights: str) -> frozenset[str]:
    return frozenset() if weights in NAMED else pictures_behind(weights)
