"""How bimodal a distribution of losses is: the excess mass of a second mode.

D. W. Müller and G. Sawitzki, Excess mass estimates and tests for multimodality, JASA 86 (1991). E_m(d) is the largest
value, over m disjoint intervals, of (share of the samples inside) - d * (length), for a density d. The index is the
largest E_2(d) - E_1(d): the least share of the samples that would have to move to leave a single mode. It is 0 for one
mode, however skewed, and 0.5 for two equal modes far apart. It is twice the dip of Hartigan and Hartigan (1985).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fer_sweep.training.records import NetworkResult

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

CHANCE = 0.92
"""An index of CHANCE / sqrt(n) or more comes from n samples of one mode in at most 5 % of all cases (as simulated for
the uniform distribution in 59 bins; a skewed one reaches it far less often)."""

_NEAR_END = 10
"""Bins before the last one that say how thin a tail is there."""
_DENSITIES = np.geomspace(2e-4, 1.0, 40, dtype=np.float32)
"""Shares per bin that are tried first."""
_AROUND = tuple(np.geomspace(1 / step, step, 10, dtype=np.float32) for step in (1.25, 1.05))
"""Factors by which the best density so far is varied, twice: the index comes out a few per cent too small at most."""


def bimodality(histograms: Counts) -> FloatArray:
    """(H,) bimodality index of each histogram (H, BINS), whose last bin also counts all that lies beyond it."""
    totals = np.maximum(histograms.sum(axis=1, keepdims=True), 1)
    shares = (histograms / totals).astype(np.float32)
    lengths = np.ones_like(shares)
    # what lies beyond is no mode for being counted together: spread out as thin as what is before it, if anything is
    before = shares[:, -1 - _NEAR_END : -1].mean(axis=1)
    lengths[:, -1] = np.maximum(np.divide(shares[:, -1], before, out=lengths[:, -1], where=before > 0), 1.0)
    densities = np.broadcast_to(_DENSITIES, (len(shares), len(_DENSITIES)))
    index = excess = _second_excess(shares, lengths, densities)
    for factors in _AROUND:
        densities = np.take_along_axis(densities, excess.argmax(axis=1)[:, None], axis=1) * factors
        excess = _second_excess(shares, lengths, densities)
        index = np.maximum(index.max(axis=1, keepdims=True), excess)
    highest: FloatArray = index.max(axis=1).astype(np.float64)
    return highest


def _second_excess(
    shares: npt.NDArray[np.float32], lengths: npt.NDArray[np.float32], densities: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """(H, L) E_2 - E_1 of histograms (H, BINS) at densities (H, L): one pass over the bins, with the best sums of one
    and of two intervals that end at the bin or before it."""
    one = np.zeros_like(densities)
    two, best_one, best_two = one.copy(), one.copy(), one.copy()
    for share, length in zip(shares.T, lengths.T, strict=True):
        gain = share[:, None] - densities * length[:, None]
        two = np.maximum(two, best_one) + gain
        one = np.maximum(one, 0.0) + gain
        np.maximum(best_one, one, out=best_one)
        np.maximum(best_two, two, out=best_two)
    second: npt.NDArray[np.float32] = np.maximum(best_two - best_one, 0.0)
    return second


def chance_level(samples: int) -> float:
    """The index that so many samples of a single mode reach or exceed in at most 5 % of all cases."""
    return float(min(CHANCE / np.sqrt(max(samples, 1)), 1.0))


def bimodality_over_epochs(networks: Sequence[NetworkResult]) -> tuple[IntArray, FloatArray]:
    """(E,) epochs at which any network was looked at, and the (networks, E) index of each, with its latest histogram at
    that epoch. Networks without histograms (an SVM has none) are left out."""
    trained = [network for network in networks if len(network.histogram_epochs)]
    if not trained:
        return np.empty(0, dtype=np.int64), np.empty((0, 0))
    epochs = np.unique(np.concatenate([network.histogram_epochs for network in trained]))
    index = [
        bimodality(n.histograms)[np.maximum(np.searchsorted(n.histogram_epochs, epochs, side="right") - 1, 0)]
        for n in trained
    ]
    return epochs, np.stack(index)
