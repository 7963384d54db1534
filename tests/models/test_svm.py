"""A fitted SVM as plain arrays: its decisions are scikit-learn's."""

from typing import Any

import numpy as np
import pytest
from sklearn.svm import SVC

from fer_sweep.models.svm import fit_svm, svm_decision, svm_votes
from fer_sweep.spec.models import SvmModel

RNG = np.random.default_rng(0)


def problem(classes: int) -> tuple[Any, Any, Any]:
    """Overlapping classes: (n, d) to fit, (n,) labels, (m, d) to ask for."""
    y = RNG.permutation(np.repeat(np.arange(classes), 20))
    x = (RNG.normal(size=(classes, 5))[y] + 0.8 * RNG.normal(size=(len(y), 5))).astype(np.float32)
    return x, y, RNG.normal(size=(50, 5)).astype(np.float32)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("gamma", ["scale", "auto", 0.3])
@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly"])
def test_decisions_are_those_of_scikit_learn(kernel: Any, gamma: Any, classes: int) -> None:
    config = SvmModel(kind="svm", kernel=kernel, gamma=gamma, c=3.0)
    x, y, asked = problem(classes)
    expected = SVC(kernel=kernel, gamma=gamma, C=3.0, decision_function_shape="ovo").fit(x, y)
    svm = fit_svm(config, x, y)

    pairs = svm_decision(config, svm, asked)

    sign = -1.0 if classes == 2 else 1.0  # scikit-learn's is positive for the second of two classes
    np.testing.assert_allclose(pairs, sign * expected.decision_function(asked).reshape(50, -1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("classes", [2, 7])
def test_the_most_voted_class_is_the_one_that_scikit_learn_ranks_first(classes: int) -> None:
    config = SvmModel(kind="svm")
    x, y, asked = problem(classes)
    ranks = SVC(C=10.0, decision_function_shape="ovr", break_ties=classes > 2).fit(x, y)

    votes = svm_votes(config, fit_svm(config, x, y), asked, classes)

    np.testing.assert_array_equal(votes.argmax(1), ranks.predict(asked))
    np.testing.assert_allclose(votes.sum(1), 1.0, atol=1e-6)
    if classes > 2:
        np.testing.assert_allclose(np.log(votes) - np.log(votes[:, :1]),
                                   (d := ranks.decision_function(asked)) - d[:, :1], atol=1e-4)  # fmt: skip


def test_classes_that_were_not_trained_on_get_no_votes_and_no_rows_none() -> None:
    config = SvmModel(kind="svm")
    x, y, asked = problem(3)
    svm = fit_svm(config, x, 2 * y)

    votes = svm_votes(config, svm, asked, 5)

    assert (votes[:, [1, 3]] == 0.0).all()
    assert svm_votes(config, svm, asked[:0], 5).shape == (0, 5)
