"""Two normal distributions on the losses."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from fer_sweep.spec.removal import MixtureRemoval
from fer_sweep.training.removal import RemovalState, Seen, check
from fer_sweep.training.removal.mixture import RIDGE, STEPS, TOLERANCE, lower_posterior

RANDOM = np.random.default_rng(0)
MIXED = np.concatenate([RANDOM.exponential(0.3, 240), RANDOM.normal(3.0, 0.3, 60)])


def rule(**settings: object) -> MixtureRemoval:
    return MixtureRemoval.model_validate({"rule": "mixture", "min_keep_fraction": 0.0, "min_per_class": 0, **settings})


def seen(errors: np.ndarray, labels: np.ndarray | None = None) -> Seen:
    return Seen(10, errors, np.ones(len(errors), bool), np.zeros(len(errors), np.int64) if labels is None else labels)


@pytest.mark.filterwarnings("ignore:.*did not converge")  # it gets the few steps that ours gets
@pytest.mark.parametrize(
    "errors", [MIXED, RANDOM.exponential(1.0, 300), RANDOM.random(50)], ids=["two", "tail", "flat"]
)
def test_the_fit_is_that_of_scikit_learn(errors: np.ndarray) -> None:
    x = ((errors - errors.min()) / np.ptp(errors))[:, None]
    theirs = GaussianMixture(
        2, max_iter=STEPS, tol=TOLERANCE, reg_covar=RIDGE, weights_init=[0.5, 0.5], means_init=[[0.0], [1.0]],
        precisions_init=np.full((2, 1, 1), 1.0 / (x.var() + RIDGE)),
    ).fit(x)  # fmt: skip

    expected = theirs.predict_proba(x)[:, theirs.means_.argmin()]

    np.testing.assert_allclose(lower_posterior(errors), expected, atol=1e-6)


def test_what_belongs_to_the_higher_mode_goes() -> None:
    decision = check(rule(), RemovalState(), seen(MIXED))

    assert set(range(240, 300)) <= set(decision.removed.tolist())
    assert len(decision.removed) < 75
    assert decision.threshold == MIXED[decision.removed].min()


def test_equal_errors_are_one_mode() -> None:
    assert len(check(rule(), RemovalState(), seen(np.ones(10))).removed) == 0


def test_its_guards_count_those_left_out_before() -> None:
    labels = np.zeros(300, np.int64)
    labels[240:] = 1
    given = seen(MIXED, labels)
    out = Seen(20, MIXED, np.arange(300) < 280, labels)

    for one in (given, out):
        decision = check(rule(min_per_class=30), RemovalState(), one)
        active = one.active.copy()
        active[decision.removed], active[decision.readmitted] = False, True
        assert np.bincount(labels[active])[1] == 30


def test_without_guards_one_sample_stays() -> None:
    decision = check(rule(min_per_class=0, min_keep_fraction=0.0, posterior=0.999999), RemovalState(), seen(MIXED))

    assert len(decision.removed) < len(MIXED)
