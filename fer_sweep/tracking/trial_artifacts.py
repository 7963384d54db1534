"""The files a trial leaves in MLflow: configuration, pictures to look at, numbers to compute with."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fer_sweep.data import Samples
from fer_sweep.data.pictures import Pixels
from fer_sweep.spec import to_yaml
from fer_sweep.spec.models import SvmModel
from fer_sweep.spec.removal import error_of
from fer_sweep.study.events import TrialFinished
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.home import StudyFiles
from fer_sweep.tracking import figures
from fer_sweep.tracking.removed_faces import load_faces
from fer_sweep.tracking.trial_tables import write_per_class, write_removals, write_removed_by_class
from fer_sweep.training.calibration import calibration_on_test
from fer_sweep.training.metrics import Scores, row_shares, scores_on_test
from fer_sweep.training.records import HISTOGRAM_BINS, HISTOGRAM_MAX, TrialResult
from fer_sweep.training.removal_metrics import removals_by_class


def draw_trial(folder: Path, event: TrialFinished, study: StudyFacts, files: StudyFiles) -> None:
    """Write a trial's artifacts into a folder, with what its study kept of it: removed faces, and what it printed."""
    stage, number = event.trial.stage, event.trial.number
    faces = load_faces(files.faces(stage, number if event.reused_from is None else event.reused_from))
    write_trial_artifacts(folder, event, study.samples, faces, files.printed(stage, number))


def write_trial_artifacts(
    folder: Path,
    event: TrialFinished,
    samples: Samples,
    faces: Mapping[int, Pixels] | None = None,
    printed: bytes = b"",
) -> None:
    """Write a trial's artifacts into a folder. faces: pictures of removed samples, if they are known; printed: what the
    trial printed."""
    (folder / "config.yaml").write_text(to_yaml(event.trial.config), encoding="utf-8")
    if printed:
        (folder / "output.txt").write_bytes(printed)
    if event.failure is not None:
        (folder / "failure.txt").write_text(f"{event.failure.message}\n\n{event.failure.traceback}", encoding="utf-8")
    if event.result is None:
        return
    title = f"{'confirmation of ' if event.trial.stage == 'confirm' else ''}trial {event.trial.number}"
    scores = scores_on_test(event.result, samples.y, samples.classes)
    _write_confusions(folder, event.result, scores, samples, title)
    write_per_class(folder / "per_class.csv", scores, samples.class_names)
    if not isinstance(event.trial.config.model, SvmModel):  # its votes are no probabilities
        picture = figures.reliability(calibration_on_test(event.result, samples.y), title=f"{title}, calibration")
        (folder / "reliability.png").write_bytes(picture)
    error = error_of(event.trial.config.removal)
    if event.result.reports:
        _write_histograms(folder, event.result)
        _write_history(folder, event.result)
        picture = figures.loss_histograms(event.result, title=title, removal_error=error)
        (folder / "loss_histograms.png").write_bytes(picture)
        (folder / "training_curves.png").write_bytes(figures.training_curves(event.result, title=title))
    if any(network.removals for network in event.result.networks):
        write_removals(folder / "removals.csv", event.result, samples)
        removals = removals_by_class(event.result, samples.y, samples.classes)
        write_removed_by_class(folder / "removed_by_class.csv", removals, samples.class_names)
        picture = figures.removed_by_class(removals, samples.class_names, title=f"{title}, removed samples by class")
        (folder / "removed_by_class.png").write_bytes(picture)
    if faces:
        picture = figures.removed_gallery(
            event.result, samples, faces, title=f"{title}, removed pictures", error=error.replace("_", " ")
        )
        (folder / "removed_gallery.png").write_bytes(picture)
    explanation = event.result.explanation
    if explanation is not None:
        picture = figures.activation_maps(explanation, title=f"{title}, activation maps")
        (folder / "activation_maps.png").write_bytes(picture)
        true = samples.y[explanation.samples]
        picture = figures.grad_cam(explanation, samples.class_names, true, title=f"{title}, Grad-CAM")
        (folder / "grad_cam.png").write_bytes(picture)


def _write_confusions(folder: Path, result: TrialResult, scores: Scores, samples: Samples, title: str) -> None:
    content = {
        "class_names": samples.class_names,
        "rows": "true class",
        "columns": "predicted class",
        "total": scores.confusion.tolist(),
        "total_percent_of_true_class": (100 * row_shares(scores.confusion)).round(3).tolist(),
        "networks": [
            {"repeat": n.repeat, "fold": n.fold, "confusion": confusion.tolist()}
            for n, confusion in zip(result.networks, scores.confusions, strict=True)
        ],
    }
    (folder / "confusion.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "confusion.png").write_bytes(
        figures.confusion(
            scores.confusion, samples.class_names, title=f"{title}, test folds of {scores.accuracy.n} networks"
        )
    )


def _write_histograms(folder: Path, result: TrialResult) -> None:
    content = {
        "edges": np.linspace(0.0, HISTOGRAM_MAX, HISTOGRAM_BINS + 1).round(6).tolist(),
        "last_bin": "also counts larger losses",
        "networks": [
            {
                "repeat": n.repeat,
                "fold": n.fold,
                "epochs": n.histogram_epochs.tolist(),
                "counts": n.histograms.tolist(),
            }
            for n in result.networks
        ],
    }
    (folder / "loss_histograms.json").write_text(json.dumps(content), encoding="utf-8")


def _write_history(folder: Path, result: TrialResult) -> None:
    """Every network's series at full resolution: train_loss_<repeat>_<fold> and so on, one value per epoch from 0."""
    arrays = {
        f"{name}_{network.repeat}_{network.fold}": getattr(network, name)
        for network in result.networks
        for name in ("train_loss", "loss_variance", "active")
    }
    with (folder / "history.npz").open("wb") as file:
        np.savez_compressed(file, **arrays)
