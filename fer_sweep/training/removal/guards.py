"""Bounds on what any rule may take away."""

import numpy as np

from fer_sweep.training.removal.decision import IntArray, Seen


def within_guards(outliers: IntArray, seen: Seen, *, min_keep_fraction: float, least: IntArray) -> IntArray:
    """The outliers that may go without leaving fewer than a share of all samples (or none at all), or than `least` (C,)
    of a class; where the guards bind, the largest errors go first."""
    if not len(outliers):
        return outliers
    budget = int(seen.active.sum()) - max(1, int(np.ceil(min_keep_fraction * len(seen.errors))))
    spare = np.bincount(seen.labels[seen.active], minlength=len(least)) - least
    allowed: list[int] = []
    for position in outliers[np.argsort(-seen.errors[outliers], kind="stable")]:
        if len(allowed) < budget and spare[seen.labels[position]] > 0:
            spare[seen.labels[position]] -= 1
            allowed.append(position)
    return np.sort(np.array(allowed, dtype=np.int64))


def per_class(seen: Seen, least: int, *, kept_share: float = 0.0) -> IntArray:
    """(C,) samples of each class that must stay: so many, and at least this share of those at the beginning."""
    counts = np.bincount(seen.labels)
    most: IntArray = np.maximum(least, np.ceil(kept_share * counts)).astype(np.int64)
    return most
