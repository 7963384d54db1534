"""Area under the margin (AUM): G. Pleiss, T. Zhang, E. Elenberg and K. Weinberger, Identifying mislabeled data using
the area under the margin ranking, NeurIPS 2020."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fer_sweep.spec.removal import AumRemoval
from fer_sweep.training.removal.decision import Decision, FloatArray, IntArray, RemovalState, Seen


def check_aum(settings: AumRemoval, state: RemovalState, seen: Seen) -> Decision:
    """Add this check's margins to the memory; at epoch `start` remove the share with the lowest sums."""
    assert seen.probabilities is not None
    margins = margin(seen.probabilities, seen.labels)
    area = margins + np.array(state.memory) if state.memory else margins
    if seen.epoch < settings.start:
        return Decision(replace(state, memory=tuple(area.tolist())))
    lowest = np.argsort(area, kind="stable")[: int(settings.share * len(area))]
    return Decision(replace(state, memory=(), rounds=1), np.sort(lowest))


def next_aum_check(settings: AumRemoval, epoch: int) -> int | None:
    """0, interval, 2 interval, ... and last `start`."""
    if epoch >= settings.start:
        return None
    return min((epoch // settings.interval + 1) * settings.interval, settings.start)


def margin(probabilities: npt.NDArray[np.float32], labels: IntArray) -> FloatArray:
    """(n,) logit of each sample's class minus the largest other one, out of the (n, C) softmax of the logits; one that
    is zero in single precision counts as the smallest number above."""
    logarithms = np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float32).tiny))
    rows = np.arange(len(labels))
    own = logarithms[rows, labels]
    logarithms[rows, labels] = -np.inf
    difference: FloatArray = own - logarithms.max(axis=1)
    return difference
