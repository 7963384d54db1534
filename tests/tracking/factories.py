"""Plausible records for tests of what is drawn and tracked: small, made up, the same on every call."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fer_sweep.data import Samples
from fer_sweep.study.rows import TrialRow
from fer_sweep.training.records import (
    HISTOGRAM_BINS,
    HISTOGRAM_MAX,
    EpochReport,
    MetricValues,
    NetworkResult,
    Removal,
    TrialResult,
)

CLASSES = 7
TRAIN_SIZE = 337
EPOCHS = 200
LOOK_EVERY = 5
LAST_EPOCHS = (200, 200, 160, 130)


def trial_result(trial: int = 3, *, removals: bool = True) -> TrialResult:
    """A trial of 2 repeats x 2 folds; most samples are learned, a sixth stays hard, BDR takes the hardest away."""
    ends = LAST_EPOCHS if removals else (EPOCHS,) * 4
    networks = tuple(_network(i // 2, i % 2, end, removals=removals) for i, end in enumerate(ends))
    reports = tuple(_report(trial, epoch, networks) for epoch in range(0, EPOCHS + 1, LOOK_EVERY))
    return TrialResult(trial=trial, networks=networks, reports=reports, seconds=12.5, device="cpu")


CLASS_NAMES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def samples_for(class_names: tuple[str, ...] = CLASS_NAMES) -> Samples:
    """Samples that the networks of `trial_result` may have been trained on: fold 0 tests on the second half."""
    n = 2 * TRAIN_SIZE
    return Samples(
        x=np.zeros((n, 2), dtype=np.float32),
        y=np.random.default_rng(0).integers(0, len(class_names), n),
        person=np.arange(n),
        ids=tuple(f"sample {i}" for i in range(n)),
        class_names=class_names,
        person_names=tuple(f"person {i}" for i in range(n)),
    )


def svm_result(trial: int = 5) -> TrialResult:
    """A trial without epochs."""
    empty = np.empty(0, dtype=np.float32)
    networks = tuple(
        replace(
            network,
            epochs=0,
            train_loss=empty,
            loss_variance=empty,
            active=np.full(1, TRAIN_SIZE, dtype=np.int32),
            histogram_epochs=np.empty(0, dtype=np.int64),
            histograms=np.empty((0, HISTOGRAM_BINS), dtype=np.int32),
            removals=(),
        )
        for network in trial_result().networks
    )
    return TrialResult(trial=trial, networks=networks, reports=(), seconds=0.4, device="cpu")


def _network(repeat: int, fold: int, end: int, *, removals: bool) -> NetworkResult:
    rng = np.random.default_rng([repeat, fold])
    losses = _losses(rng, end)
    active = np.ones(TRAIN_SIZE, dtype=np.bool_)
    rounds: list[Removal] = []
    histograms: dict[int, npt.NDArray[np.int32]] = {}
    mean, variance, in_use = (np.empty(end + 1) for _ in range(3))
    for epoch in range(end + 1):
        removal_is_due = removals and epoch >= 50 and epoch % 20 == 10
        if epoch % LOOK_EVERY == 0 or removal_is_due or epoch == end:
            scaled = np.minimum(losses[epoch, active] * HISTOGRAM_BINS / HISTOGRAM_MAX, HISTOGRAM_BINS - 1)
            histograms[epoch] = np.bincount(scaled.astype(np.int64), minlength=HISTOGRAM_BINS).astype(np.int32)
        if removal_is_due and (round_ := _remove(epoch, losses[epoch], active)).removed:
            rounds.append(round_)
        current = losses[epoch, active]
        mean[epoch], variance[epoch], in_use[epoch] = current.mean(), current.var(), active.sum()
    test = np.arange(TRAIN_SIZE, 2 * TRAIN_SIZE) if fold == 0 else np.arange(TRAIN_SIZE)
    return NetworkResult(
        repeat=repeat,
        fold=fold,
        seed=1000 + 2 * repeat + fold,
        test=test,
        test_probabilities=rng.dirichlet(np.ones(CLASSES), size=TRAIN_SIZE).astype(np.float32),
        validation=np.empty(0, dtype=np.int64),
        validation_probabilities=np.empty((0, CLASSES), dtype=np.float32),
        train_accuracy=0.91,
        epochs=end,
        ended="removal" if removals and end < EPOCHS else "epochs",
        train_loss=mean.astype(np.float32),
        loss_variance=variance.astype(np.float32),
        active=in_use.astype(np.int32),
        histogram_epochs=np.array(list(histograms), dtype=np.int64),
        histograms=np.stack(list(histograms.values())),
        removals=tuple(rounds),
        train_size=TRAIN_SIZE,
    )


def _losses(rng: np.random.Generator, end: int) -> npt.NDArray[np.float64]:
    """(end+1, TRAIN_SIZE): all start near ln 7; easy samples fall towards 0, hard ones rise first."""
    epochs = np.arange(end + 1)[:, None]
    hard = np.arange(TRAIN_SIZE) % 6 == 0
    pace = rng.lognormal(np.log(22), 0.35, TRAIN_SIZE)
    easy_loss = np.log(7) * np.exp(-epochs / pace)
    hard_loss = np.log(7) + rng.normal(1.1, 0.7, TRAIN_SIZE) * (epochs / 60) * np.exp(1 - epochs / 60)
    start = rng.normal(0, 0.15, TRAIN_SIZE)
    losses: npt.NDArray[np.float64] = np.maximum(
        np.where(hard, hard_loss, easy_loss) + start * np.exp(-epochs / 40), 1e-3
    )
    return losses


def _remove(epoch: int, errors: npt.NDArray[np.float64], active: npt.NDArray[np.bool_]) -> Removal:
    current = errors[active]
    candidates = current[current > current.mean()]
    threshold = float(candidates.mean() + candidates.std())
    gone = np.flatnonzero(active & (errors >= threshold))
    active[gone] = False
    return Removal(
        epoch=epoch,
        threshold=threshold,
        removed=tuple(gone.tolist()),
        errors=tuple(errors[gone].tolist()),
        variance_before=float(current.var()),
        variance_after=float(errors[active].var()),
        active_after=int(active.sum()),
    )


def _report(trial: int, epoch: int, networks: tuple[NetworkResult, ...]) -> EpochReport:
    def mean(name: str) -> float:
        return float(np.mean([getattr(n, name)[min(epoch, n.epochs)] for n in networks]))

    accuracy = 1 / 7 + 0.11 * (1 - np.exp(-epoch / 25)) - 0.0001 * epoch
    return EpochReport(
        trial=trial,
        epoch=epoch,
        last_epoch=EPOCHS,
        train_loss=mean("train_loss"),
        loss_variance=mean("loss_variance"),
        active_samples=mean("active"),
        train_accuracy=float(np.exp(-mean("train_loss"))),
        test_loss=float(np.log(7)) + (epoch / EPOCHS) ** 2,
        test=MetricValues(accuracy=accuracy, macro_f1=accuracy - 0.01, uar=accuracy),
        validation=MetricValues(accuracy=accuracy + 0.02, macro_f1=accuracy, uar=accuracy),
    )


def trial_rows(count: int = 40) -> list[TrialRow]:
    """A search over a uniform, a log, an integer, a categorical and a conditional parameter; some trials were pruned,
    some failed. Trial 0 is the base."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        rate = float(10 ** rng.uniform(-4, -1))
        optimizer = str(rng.choice(["adam", "sgd"]))
        assignments: dict[str, bool | int | float | str] = {
            "removal.alpha": float(rng.uniform()),
            "removal.start": int(rng.choice([25, 50, 100, 200])),
            "train.learning_rate": rate,
            "train.optimizer": optimizer,
        }
        if optimizer == "sgd":
            assignments["train.momentum"] = float(rng.uniform(0.5, 0.99))
        value = 0.24 - 0.02 * (np.log10(rate) + 2) ** 2 + float(rng.normal(0, 0.006))
        if number and number % 13 == 0:
            rows.append(TrialRow(number, "failed", assignments, None, None, 0, 1.0, "diverged"))
        elif number and number % 5 == 0:
            rows.append(TrialRow(number, "pruned", assignments, value - 0.03, None, 4, 2.0, "median"))
        else:
            rows.append(TrialRow(number, "complete", assignments, value, 0.008, 4, 8.0))
    return rows
