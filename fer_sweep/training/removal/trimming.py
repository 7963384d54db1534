"""Rules that choose anew at every check from all samples, those left out before included."""

import numpy as np

from fer_sweep.spec.removal import LmsRemoval, LtsRemoval, SmallLossRemoval
from fer_sweep.training.removal.decision import Decision, FloatArray, RemovalState, Seen, selection


def check_lts(settings: LtsRemoval, state: RemovalState, seen: Seen) -> Decision:
    """Least trimmed squares: keep the h = ceil((1 - share) n) smallest errors."""
    return _smallest(state, seen, _kept(1.0 - settings.share, len(seen.errors)))


def check_small_loss(settings: SmallLossRemoval, state: RemovalState, seen: Seen) -> Decision:
    """Small-loss selection: keep the share 1 - noise_rate * min(epoch / ramp, 1) with the smallest errors."""
    left_out = settings.noise_rate * min(seen.epoch / settings.ramp, 1.0)
    return _smallest(state, seen, _kept(1.0 - left_out, len(seen.errors)))


def check_lms(settings: LmsRemoval, state: RemovalState, seen: Seen) -> Decision:
    """Least median of squares: keep the sample of median error, or the two in the middle."""
    n = len(seen.errors)
    order = np.argsort(seen.errors, kind="stable")
    keep = np.zeros(n, dtype=np.bool_)
    keep[order[[(n - 1) // 2, n // 2]]] = True
    return selection(state, seen, keep)


def _kept(share: float, n: int) -> int:
    """ceil(share n), where (1 - 0.7) 10 is 3 and not a little more."""
    return int(np.ceil(round(share * n, 9)))


def _smallest(state: RemovalState, seen: Seen, count: int) -> Decision:
    """Keep so many samples, those with the smallest errors; the threshold is the smallest error left out."""
    order = np.argsort(seen.errors, kind="stable")
    keep = np.zeros(len(order), dtype=np.bool_)
    keep[order[:count]] = True
    left_out: FloatArray = seen.errors[order[count:]]
    return selection(state, seen, keep, threshold=float(left_out[0]) if len(left_out) else float("nan"))
