"""What removal took away: how well it found wrong labels, and whether it was fair to the classes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_sweep.training.records import TrialResult

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RemovalQuality:
    """How well removal found the samples whose labels are known to be wrong, pooled over networks: removed and planted
    counts (training side), and the share of each that is both. None where nothing was removed or planted."""

    removed: int
    planted: int
    hits: int

    @property
    def precision(self) -> float | None:
        return self.hits / self.removed if self.removed else None

    @property
    def recall(self) -> float | None:
        return self.hits / self.planted if self.planted else None


def removal_quality(result: TrialResult, planted: npt.NDArray[np.bool_]) -> RemovalQuality:
    """Score the removals of a trial against the planted wrong labels. planted: (N,) of all samples."""
    removed = hits = total = 0
    for network in result.networks:
        gone = network.left_out
        removed += len(gone)
        hits += int(planted[gone].sum())
        outside = np.concatenate([network.test, network.validation])
        total += int(planted.sum() - planted[outside].sum())
    return RemovalQuality(removed=removed, planted=total, hits=hits)


@dataclass(frozen=True, eq=False)
class ClassRemovals:
    """trained, removed: (repeats, folds, C) training samples of each class at the start, and how many of them went."""

    trained: IntArray
    removed: IntArray

    @property
    def count(self) -> FloatArray:
        """(C,) samples removed, mean over networks."""
        count: FloatArray = self.removed.mean(axis=(0, 1))
        return count

    @property
    def share(self) -> FloatArray:
        """(C,) share of each class's training samples that went, mean over networks; 0 for a class without any."""
        share: FloatArray = self._shares().mean(axis=(0, 1))
        return share

    @property
    def spread(self) -> FloatArray | None:
        """(C,) standard deviation of the share over repeats (each the mean of its folds); None with one repeat."""
        by_repeat = self._shares().mean(axis=1)
        return by_repeat.std(axis=0, ddof=1) if len(by_repeat) > 1 else None

    @property
    def overall(self) -> float:
        """Share of all training samples that went, mean over networks."""
        return float((self.removed.sum(axis=2) / self.trained.sum(axis=2)).mean())

    def _shares(self) -> FloatArray:
        return self.removed / np.maximum(self.trained, 1)


def removals_by_class(result: TrialResult, y: IntArray, classes: int) -> ClassRemovals:
    """Count by class what a trial leaves out at its end. y: (N,) labels of all samples; what a network neither tests
    nor validates on, it trains on."""
    everything = np.bincount(y, minlength=classes)
    trained, removed = [], []
    for network in result.networks:
        outside = np.concatenate([network.test, network.validation])
        trained.append(everything - np.bincount(y[outside], minlength=classes))
        removed.append(np.bincount(y[network.left_out], minlength=classes))
    shape = (1 + max(network.repeat for network in result.networks), -1, classes)
    return ClassRemovals(np.reshape(trained, shape), np.reshape(removed, shape))
