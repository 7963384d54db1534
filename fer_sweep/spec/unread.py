"""Searched parameters that no trial of the space reads: what comes out of them is chance, and looks like a finding."""

from collections.abc import Callable, Mapping

from fer_sweep.spec.corners import corner_trials
from fer_sweep.spec.data import PictureData
from fer_sweep.spec.models import CnnModel, ResnetModel, SvmModel
from fer_sweep.spec.parameters import ROOT
from fer_sweep.spec.problems import Problems
from fer_sweep.spec.sweep import SweepSpec
from fer_sweep.spec.trial import TrialConfig

Why = tuple[str, str]
"""Why a trial does not read a field, and what would let it."""


def check_read(spec: SweepSpec, problems: Problems) -> None:
    """Add a problem for every parameter that changes nothing in any trial that has it."""
    idle: dict[str, Why] = {}
    read: set[str] = set()
    for assignments, config in corner_trials(spec.base, spec.parameters):
        for path in assignments.keys() - read:
            why = _unread(config, path)
            if why is None:
                read.add(path)
            else:
                idle[path] = why
        if read == spec.parameters.keys():
            return
    for path, (reason, remedy) in idle.items():
        if path not in read and not problems.touches((ROOT, path)):
            problems.add((ROOT, path), f"changes nothing: {reason}", allowed=f"Use {remedy}, or leave it out.")


def _unread(config: TrialConfig, path: str) -> Why | None:
    section, _, field = path.partition(".")
    rule = _RULES.get(section)
    return None if rule is None else rule(config, field)


def _features(config: TrialConfig, field: str) -> Why | None:
    model, features = config.model, config.features
    if not isinstance(config.data, PictureData):
        why = f"data.source: {config.data.source} has features, not pictures"
        return why, "data.source: folder, fer2013 or synthetic_faces"
    if isinstance(model, CnnModel | ResnetModel):
        return f"model.kind: {model.kind} sees the pictures themselves", "model.kind: mlp or svm"
    for name in ("lpq", "phog"):
        if field.startswith(f"{name}_") and name not in features.descriptors:
            return f"features.descriptors: {features.descriptors} is without {name.upper()}", "descriptors that have it"
    if field == "fit_on" and features.components == "all":
        return "features.components: all fits nothing", "a number of components"
    return None


def _train(config: TrialConfig, field: str) -> Why | None:
    model = config.model
    if field == "normalize":
        if isinstance(model, CnnModel | ResnetModel):
            return f"model.kind: {model.kind} brings its own normalization", "model.kind: mlp or svm"
        return None
    if isinstance(model, SvmModel):
        return "model.kind: svm is not trained in epochs", "model.kind: mlp"
    if field == "momentum" and config.train.optimizer != "sgd":
        return f"train.optimizer: {config.train.optimizer} ignores it", "train.optimizer: sgd"
    if field in ("precision", "deterministic") and not config.trains_on_pictures:
        return "only networks that are trained on pictures have it", "model.kind: cnn or resnet with mode: finetune"
    return None


def _schedule(config: TrialConfig, field: str) -> Why | None:
    if isinstance(config.model, SvmModel):
        return "model.kind: svm has no learning rate", "model.kind: mlp"
    return None


_RULES: Mapping[str, Callable[[TrialConfig, str], Why | None]] = {
    "features": _features,
    "train": _train,
    "schedule": _schedule,
}
