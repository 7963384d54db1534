"""Two normal distributions on the losses: J. Li, R. Socher and S. Hoi, DivideMix, ICLR 2020, section 3.1.

The fit is written out here because it runs at every check of every network, in threads: scikit-learn's gives the same
(a test compares them), fifty times slower, and says that it has not converged through Python's global warnings.
"""

import numpy as np

from fer_sweep.spec.removal import MixtureRemoval
from fer_sweep.training.removal.decision import BoolArray, Decision, FloatArray, RemovalState, Seen, selection
from fer_sweep.training.removal.guards import per_class, within_guards

STEPS, TOLERANCE, RIDGE = 10, 1e-2, 5e-4
"""Of the fit, as in DivideMix's own code: steps, gain in mean log-likelihood that ends it, and what is added to the
variances."""


def check_mixture(settings: MixtureRemoval, state: RemovalState, seen: Seen) -> Decision:
    """Leave out the samples that belong to the distribution of the higher losses, within the guards."""
    all_of_them = Seen(seen.epoch, seen.errors, np.ones_like(seen.active), seen.labels)
    outliers = np.flatnonzero(lower_posterior(seen.errors) <= settings.posterior)
    allowed = within_guards(
        outliers,
        all_of_them,
        min_keep_fraction=settings.min_keep_fraction,
        least=per_class(seen, settings.min_per_class),
    )
    keep: BoolArray = np.ones(len(seen.errors), dtype=np.bool_)
    keep[allowed] = False
    threshold = float(seen.errors[allowed].min()) if len(allowed) else float("nan")
    return selection(state, seen, keep, threshold=threshold)


def lower_posterior(errors: FloatArray) -> FloatArray:
    """(n,) probability of each sample to belong to the distribution with the lower mean, fitted to all errors scaled to
    [0, 1] by expectation maximization from one component at either end. Equal errors are one distribution: 1."""
    low, high = float(errors.min()), float(errors.max())
    if high == low:
        return np.ones_like(errors)
    x = (errors - low) / (high - low)
    means, variances, shares = np.array([0.0, 1.0]), np.full(2, x.var() + RIDGE), np.full(2, 0.5)
    before = -np.inf
    for _ in range(STEPS):
        responsibility, likelihood = _expectation(x, means, variances, shares)
        count = responsibility.sum(axis=0) + 10 * np.finfo(np.float64).eps
        means = responsibility.T @ x / count
        variances = (responsibility * np.square(x[:, None] - means)).sum(axis=0) / count + RIDGE
        shares = count / count.sum()
        if abs(likelihood - before) < TOLERANCE:
            break
        before = likelihood
    responsibility, _ = _expectation(x, means, variances, shares)
    lower: FloatArray = responsibility[:, means.argmin()]
    return lower


def _expectation(
    x: FloatArray, means: FloatArray, variances: FloatArray, shares: FloatArray
) -> tuple[FloatArray, float]:
    """(n, 2) probabilities of the components, and the mean log-likelihood."""
    squares = np.square(x[:, None] - means) / variances
    logarithms = np.log(shares) - 0.5 * (np.log(2.0 * np.pi * variances) + squares)
    total = np.logaddexp(logarithms[:, 0], logarithms[:, 1])
    return np.exp(logarithms - total[:, None]), float(total.mean())
