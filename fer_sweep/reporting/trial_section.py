"""A trial's part of a report: the files that it leaves in MLflow, put in an order in which they can be read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fer_sweep.reporting.document import Part, Picture, Prose, Section, Table
from fer_sweep.reporting.film import film
from fer_sweep.spec.removal import error_of
from fer_sweep.study.events import TrialFinished
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.measured import Measured
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.summary import describe
from fer_sweep.study.wording import with_spread
from fer_sweep.tracking.removed_faces import load_faces
from fer_sweep.tracking.trial_artifacts import write_trial_artifacts
from fer_sweep.training.metrics import CLASS_METRICS, METRICS, Estimate, Scores

_PICTURES = {
    "training_curves.png": "Losses, accuracies and samples in use over the epochs.",
    "confusion.png": "Confusion matrix of the test folds, all networks together: counts, and shares of the true class.",
    "reliability.png": "Calibration: how often the network is right when it says that it is so sure.",
    "loss_histograms.png": "Training losses over the epochs; in red where outlier removal took samples away.",
    "removed_by_class.png": "Share of each class's training samples that outlier removal took away.",
    "removed_gallery.png": "The removed pictures with the largest errors.",
    "activation_maps.png": "Activation maps of the network's blocks for one test picture.",
    "grad_cam.png": "Grad-CAM: what the network looks at in test pictures.",
}
"""In the order in which they are shown."""


@dataclass(frozen=True)
class Chapter:
    """A trial that is told about at length. title: of its section."""

    title: str
    measured: Measured
    row: TrialRow


def trial_section(chapter: Chapter, files: StudyFiles, folder: Path) -> Section:
    """The section of a trial. folder: where its parts are written as files, too; it exists."""
    measured, trial = chapter.measured, chapter.measured.trial
    faces = load_faces(files.faces(trial.stage, trial.number))
    write_trial_artifacts(folder, TrialFinished(trial, chapter.row, measured.result), measured.facts.samples, faces)
    scores = measured.scores
    found = [(name, scores.estimate(name)) for name in METRICS]
    numbers = ", ".join(f"{name} {with_spread(e)} %" for name, e in found)
    parts: list[Part] = [
        Prose(describe(trial.assignments)),
        Prose(f"On the test folds: {numbers} (n = {found[0][1].n} networks; splits {measured.splits})."),
        per_class(scores, measured.facts.samples.class_names),
    ]
    for name, caption in _PICTURES.items():
        if (folder / name).exists():
            parts.append(Picture((folder / name).read_bytes(), caption))
        if name == "loss_histograms.png":
            removal = trial.config.removal
            in_loss = error_of(removal) == "cross_entropy"
            moving = film(measured.result.networks[0], in_loss=in_loss)
            parts += [] if moving is None else [moving]
    return Section(chapter.title, tuple(parts))


def per_class(scores: Scores, class_names: Sequence[str]) -> Table:
    """Precision, recall, specificity and F1 of each class, and their means."""

    def row(name: str, of: Callable[[str], Estimate], support: float) -> tuple[str, ...]:
        return (name, *(with_spread(of(metric)) for metric in CLASS_METRICS), f"{support:g}")

    rows = [
        row(name, partial(scores.class_estimate, index=index), scores.support[index])
        for index, name in enumerate(class_names)
    ]
    mean = row("(mean of the classes)", scores.class_mean, scores.support.sum())
    caption = "Per class in %, mean over networks ± standard deviation over repeats; support: test samples of a repeat."
    return Table(("class", *CLASS_METRICS, "support"), (*rows, mean), caption)
