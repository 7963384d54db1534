"""A trial's numbers as MLflow metrics. Timestamps are functions of the run's start, so that replay is idempotent."""

import math

from mlflow.entities import Metric

from fer_sweep.data import Samples
from fer_sweep.spec.models import SvmModel
from fer_sweep.spec.removal import NoRemoval
from fer_sweep.study.events import TrialFinished
from fer_sweep.study.statistics import interval_over_repeats
from fer_sweep.training.bimodality import bimodality_over_epochs
from fer_sweep.training.calibration import calibration_on_test
from fer_sweep.training.metrics import METRICS, Estimate, Scores, scores_on_test, scores_on_validation
from fer_sweep.training.records import EpochReport, TrialResult
from fer_sweep.training.removal_metrics import removal_quality, removals_by_class


def epoch_metrics(result: TrialResult, *, start_ms: int, ms_per_epoch: float) -> list[Metric]:
    """Series over epochs, mean over networks, at the reported epochs (about 200; the UI draws at most 320). The full
    resolution is in the artifact history.npz."""
    epochs, index = bimodality_over_epochs(result.networks)
    bimodal = dict(zip(epochs.tolist(), index.mean(axis=0).tolist(), strict=True)) if len(epochs) else {}
    metrics = []
    for report in result.reports:
        metrics += report_metrics(report, start_ms=start_ms, ms_per_epoch=ms_per_epoch)
        if report.epoch in bimodal:
            when = start_ms + round(ms_per_epoch * report.epoch)
            metrics.append(Metric("epoch/bimodality", bimodal[report.epoch], when, report.epoch))
    return metrics


def report_metrics(report: EpochReport, *, start_ms: int, ms_per_epoch: float) -> list[Metric]:
    """One epoch of these series."""
    when = start_ms + round(ms_per_epoch * report.epoch)
    values = {
        "train_loss": report.train_loss,
        "loss_variance": report.loss_variance,
        "active_samples": report.active_samples,
        "train_accuracy": report.train_accuracy,
        "test_loss": report.test_loss,
        "test_accuracy": report.test.accuracy,
    }
    if report.validation is not None:
        values["validation_accuracy"] = report.validation.accuracy
    return [
        Metric(f"epoch/{name}", value, when, report.epoch) for name, value in values.items() if math.isfinite(value)
    ]


def final_metrics(event: TrialFinished, samples: Samples, *, start_ms: int) -> list[Metric]:
    """Final numbers: every metric with its spread over repeats and, from three repeats on, its 95 % interval; per-class
    metrics, removal, time."""
    result = event.result
    assert result is not None
    when = start_ms + round(1000 * result.seconds)
    test = scores_on_test(result, samples.y, samples.classes)
    values = {} if event.row.mean is None else {"objective": event.row.mean}  # first: the UI keeps the order
    values |= _score_values("test", test, samples.class_names)
    validation = scores_on_validation(result, samples.y, samples.classes)
    if validation is not None:
        values |= _score_values("validation", validation, samples.class_names)
    if not isinstance(event.trial.config.model, SvmModel):  # its votes are no probabilities
        values |= _estimate_values("test/ece", calibration_on_test(result, samples.y).ece, repeats=test.repeats)
    networks = result.networks
    values["seconds"] = event.row.seconds
    values["train/accuracy"] = sum(n.train_accuracy for n in networks) / len(networks)
    values["train/epochs"] = sum(n.epochs for n in networks) / len(networks)
    values["removal/removed"] = sum(len(n.left_out) for n in networks) / len(networks)
    epochs, index = bimodality_over_epochs(networks)
    if len(epochs):
        highest = int(index.mean(axis=0).argmax())
        values |= {
            "train/bimodality": float(index.mean(axis=0)[highest]),
            "train/bimodality_epoch": float(epochs[highest]),
        }
    values["removal/rounds"] = sum(len(n.removals) for n in networks) / len(networks)
    if not isinstance(event.trial.config.removal, NoRemoval):
        removals = removals_by_class(result, samples.y, samples.classes)
        for key, count, share in zip(class_keys(samples.class_names), removals.count, removals.share, strict=True):
            values |= {f"removal_count/{key}": float(count), f"removal_share/{key}": float(share)}
    if samples.planted is not None:
        quality = removal_quality(result, samples.planted)
        found = {"removal/precision": quality.precision, "removal/recall": quality.recall}
        values |= {name: value for name, value in found.items() if value is not None}
    return [Metric(name, value, when, 0) for name, value in values.items()]


def _score_values(part: str, scores: Scores, class_names: tuple[str, ...]) -> dict[str, float]:
    values: dict[str, float] = {}
    for name in METRICS:
        values |= _estimate_values(f"{part}/{name}", scores.estimate(name), repeats=scores.repeats)
    for kind in ("precision", "recall", "specificity"):
        for key, value in zip(class_keys(class_names), getattr(scores.per_class, kind), strict=True):
            values[f"{part}_{kind}/{key}"] = float(value)
    return values


def _estimate_values(key: str, estimate: Estimate, *, repeats: int) -> dict[str, float]:
    values = {key: estimate.mean}
    if estimate.spread is not None:
        values[f"{key}_spread"] = estimate.spread
    interval = interval_over_repeats(estimate.mean, estimate.spread, repeats=repeats)
    if interval is not None:
        values |= {f"{key}_low95": interval.low, f"{key}_high95": interval.high}
    return values


def class_keys(class_names: tuple[str, ...]) -> tuple[str, ...]:
    """Class names as ends of metric keys, all different. MLflow allows letters and digits of any script and _ - space;
    a dot or slash it takes for a path."""
    plain = ["".join(c if c.isalnum() or c in "_- " else "_" for c in name).strip()[:100] for name in class_names]
    if all(plain) and len(set(plain)) == len(plain):
        return tuple(plain)
    return tuple(f"{key}_{index}" for index, key in enumerate(plain))
