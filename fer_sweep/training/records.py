"""Records: what training yields. Plain frozen facts (numbers, strings, numpy arrays), never live modules or handles."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

HISTOGRAM_BINS = 60
HISTOGRAM_MAX = 6.0
"""Loss histograms have HISTOGRAM_BINS equal bins on [0, HISTOGRAM_MAX]; larger losses are counted in the last bin."""


@dataclass(frozen=True)
class MetricValues:
    """The three metrics a search can optimize, as shares of 1."""

    accuracy: float
    macro_f1: float
    uar: float

    def value(self, name: str) -> float:
        """A metric by its name in the sweep file."""
        return {"accuracy": self.accuracy, "macro_f1": self.macro_f1, "uar": self.uar}[name]


@dataclass(frozen=True)
class EpochReport:
    """A trial at one epoch: means over its networks (folds x repeats). A network that has ended counts with its last
    value. `epoch` counts completed updates: 0 is the initial network. Losses are cross-entropies; train_loss,
    loss_variance and train_accuracy are of the samples still in use. `test` is NaN where nothing is tested on."""

    trial: int
    epoch: int
    last_epoch: int
    train_loss: float
    loss_variance: float
    active_samples: float
    train_accuracy: float
    test_loss: float
    test: MetricValues
    validation: MetricValues | None


@dataclass(frozen=True)
class Removal:
    """One round of outlier removal on one network: who went or came back since the round before, when, and why."""

    epoch: int
    threshold: float
    """Error at or above which samples went; NaN for rules without a threshold (at random, oracle)."""
    removed: tuple[int, ...]
    """Sample indices (rows of Samples)."""
    errors: tuple[float, ...]
    """Their errors at that epoch, same order."""
    variance_before: float
    variance_after: float
    active_after: int
    readmitted: tuple[int, ...] = ()
    """Sample indices that are in use again."""

    @property
    def net(self) -> int:
        """By how many samples fewer are in use."""
        return len(self.removed) - len(self.readmitted)


def removal_from(entry: Mapping[str, Any]) -> Removal:
    """The removal that became this mapping in JSON."""
    lists = {key: tuple(entry[key]) for key in ("removed", "errors", "readmitted") if key in entry}
    return Removal(**{**entry, **lists})


def report_from(entry: Mapping[str, Any]) -> EpochReport:
    """The report that became this mapping in JSON."""
    validation = entry["validation"]
    return EpochReport(
        **{
            "train_accuracy": math.nan,  # results of an earlier version do not know these two
            "test_loss": math.nan,
            **entry,
            "test": MetricValues(**entry["test"]),
            "validation": None if validation is None else MetricValues(**validation),
        }
    )


@dataclass(frozen=True, eq=False)
class NetworkResult:
    """One network: one (repeat, fold) of a trial.

    test, test_probabilities:             (n,) sample indices and (n, C) class probabilities on the test part
    validation, validation_probabilities: the same on the validation part; n is 0 when there is none
    train_loss, loss_variance, active:    (E+1,) per epoch 0..E, over the active training samples; E = epochs run
    histogram_epochs, histograms:         (H,) epochs and (H, HISTOGRAM_BINS) counts of the active samples' errors
    """

    repeat: int
    fold: int
    seed: int
    test: npt.NDArray[np.int64]
    test_probabilities: npt.NDArray[np.float32]
    validation: npt.NDArray[np.int64]
    validation_probabilities: npt.NDArray[np.float32]
    train_accuracy: float
    epochs: int
    ended: str
    """Why training ended: `epochs`, `removal` (the rule halted it), `stopped` (pruned or out of budget)."""
    train_loss: npt.NDArray[np.float32]
    loss_variance: npt.NDArray[np.float32]
    active: npt.NDArray[np.int32]
    histogram_epochs: npt.NDArray[np.int64]
    histograms: npt.NDArray[np.int32]
    removals: tuple[Removal, ...]
    train_size: int

    @property
    def left_out(self) -> npt.NDArray[np.int64]:
        """Sample indices of the training part that are not in use at the end."""
        gone: set[int] = set()
        for removal in self.removals:
            gone = (gone | set(removal.removed)) - set(removal.readmitted)
        return np.array(sorted(gone), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Explanation:
    """What the first network (repeat 0, fold 0) of a trial on pictures looks at, on one test picture per class.

    samples:     (k,) rows of Samples
    predicted:   (k,) classes
    pictures:    (k, S, S, 3) uint8 RGB, as the network sees them
    grad_cam:    (k, S, S) in [0, 1], of the predicted class on the last block
    activations: per block (c, h, w): the first channels' maps of the first picture
    """

    samples: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    pictures: npt.NDArray[np.uint8]
    grad_cam: npt.NDArray[np.float32]
    activations: tuple[npt.NDArray[np.float32], ...]


@dataclass(frozen=True, eq=False)
class TrialResult:
    """Everything a finished trial leaves behind."""

    trial: int
    networks: tuple[NetworkResult, ...]
    reports: tuple[EpochReport, ...]
    """What was reported on the way, in order; empty for an SVM."""
    seconds: float
    """Wall time of the batch this trial ran in, divided by the trials in it."""
    device: str
    stopped: str | None = None
    """Why the trial was ended early (`median`, `hyperband`, `budget`), or None."""
    explanation: Explanation | None = None


@dataclass(frozen=True)
class TrialFailure:
    """A trial that ended without a result. `kind` is `diverged`, `memory` (it did not fit), `data` (something
    in the data cannot be used), `invalid` (no valid configuration), `error`, `timeout`, or `lost`: what it ran in died,
    again and again. All but `lost` would happen again."""

    trial: int
    kind: str
    message: str
    traceback: str = field(default="", compare=False)


Record = EpochReport | TrialResult | TrialFailure
