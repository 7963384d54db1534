"""The SVM baseline (paper Table 1, first rows; Dhall et al. 2011): a C-SVC fitted by scikit-learn, kept as arrays.

Once fitted it is plain numbers and needs scikit-learn no more: its decision function is computed here.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fer_sweep.spec.models import SvmModel

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DEGREE, COEF0 = 3, 0.0
"""Of the polynomial kernel (gamma <a, b> + COEF0)^DEGREE: scikit-learn's defaults."""
_BLOCK = 2**22
"""Kernel values that are computed at once."""


class SvmWeights(NamedTuple):
    """A fitted one-against-one C-SVC of k classes with m support vectors, grouped by class.

    support: (m, d), dual: (k - 1, m), intercept: (k (k - 1) / 2,), counts: (k,) support vectors of each class,
    classes: (k,) class indices that occurred in training, gamma: () of the kernel. Laid out as in libsvm.
    """

    support: Floats
    dual: Floats
    intercept: Floats
    counts: Integers
    classes: Integers
    gamma: Floats


def fit_svm(config: SvmModel, x: npt.NDArray[np.float32], y: npt.NDArray[np.int64]) -> SvmWeights:
    """A fitted one-against-one C-SVC. x: (n, d) features, y: (n,) class indices.

    Raises ValueError, scikit-learn's, for data that cannot be fitted.
    """
    from sklearn.svm import SVC  # here, because a fitted SVM needs no scikit-learn

    gamma = _gamma(config, x)
    svm = SVC(kernel=config.kernel, C=config.c, gamma=gamma, degree=DEGREE, coef0=COEF0).fit(x, y)
    sign = -1.0 if len(svm.classes_) == 2 else 1.0  # scikit-learn turns the sign of two classes; libsvm's is kept
    return SvmWeights(
        support=np.array(svm.support_vectors_, np.float64),
        dual=sign * np.array(svm.dual_coef_, np.float64),
        intercept=sign * np.array(svm.intercept_, np.float64),
        counts=np.array(svm.n_support_, np.int64),
        classes=np.array(svm.classes_, np.int64),
        gamma=np.array(gamma),
    )


def svm_decision(config: SvmModel, svm: SvmWeights, x: npt.NDArray[np.float32]) -> Floats:
    """(n, k (k - 1) / 2) signed distances, one pair of classes (0, 1), (0, 2), ... (1, 2), ... a column; positive is
    for the first of the pair."""
    rows = max(1, _BLOCK // max(1, len(svm.support)))
    blocks = [_decision(config, svm, x[begin : begin + rows]) for begin in range(0, len(x), rows)]
    return np.concatenate(blocks) if blocks else np.empty((0, len(svm.intercept)))


def svm_votes(config: SvmModel, svm: SvmWeights, x: npt.NDArray[np.float32], classes: int) -> npt.NDArray[np.float32]:
    """(n, C) softmax of the one-against-rest decision values; the largest is the predicted class, as by scikit-learn's
    SVC(break_ties=True).

    The values rank the classes; they are not calibrated probabilities. Classes absent from training get 0.
    """
    pairs = svm_decision(config, svm, x)
    decision = np.hstack([pairs, -pairs]) if len(svm.classes) == 2 else _against_rest(pairs, len(svm.classes))
    exponent = np.exp(decision - decision.max(axis=1, keepdims=True))
    votes = np.zeros((len(x), classes), dtype=np.float32)
    votes[:, svm.classes] = exponent / exponent.sum(axis=1, keepdims=True)
    return votes


def _gamma(config: SvmModel, x: npt.NDArray[np.float32]) -> float:
    """scikit-learn's meaning of `scale` and `auto`, worked out."""
    if config.gamma == "auto":
        return float(1.0 / x.shape[1])
    if config.gamma == "scale":
        variance = float(x.astype(np.float64).var())
        return float(1.0 / (x.shape[1] * variance)) if variance > 0.0 else 1.0
    return config.gamma


def _decision(config: SvmModel, svm: SvmWeights, x: npt.NDArray[np.float32]) -> Floats:
    kernel = _kernel(config, svm, x.astype(np.float64))
    ends = np.cumsum(svm.counts)
    of = [slice(end - count, end) for end, count in zip(ends, svm.counts, strict=True)]
    columns = []
    for column, (i, j) in enumerate(combinations(range(len(svm.classes)), 2)):
        # a support vector's weight against class c stands in row c of its column, or c - 1 behind its own class
        first, second = kernel[:, of[i]] @ svm.dual[j - 1, of[i]], kernel[:, of[j]] @ svm.dual[i, of[j]]
        columns.append(first + second + svm.intercept[column])
    return np.stack(columns, axis=1)


def _kernel(config: SvmModel, svm: SvmWeights, x: Floats) -> Floats:
    products: Floats = x @ svm.support.T
    match config.kernel:
        case "linear":
            return products
        case "poly":
            return (float(svm.gamma) * products + COEF0) ** DEGREE
        case "rbf":
            squares = (x**2).sum(1)[:, None] + (svm.support**2).sum(1) - 2.0 * products
            near: Floats = np.exp(-float(svm.gamma) * np.maximum(squares, 0.0))
            return near


def _against_rest(pairs: Floats, classes: int) -> Floats:
    """(n, k) votes of the pairs, ties broken by the summed distances, as `decision_function_shape="ovr"` says."""
    votes, confidence = np.zeros((2, len(pairs), classes))
    for column, (i, j) in enumerate(combinations(range(classes), 2)):
        distance = pairs[:, column]
        confidence[:, i] += distance
        confidence[:, j] -= distance
        votes[:, i] += distance >= 0
        votes[:, j] += distance < 0
    ranked: Floats = votes + confidence / (3.0 * (np.abs(confidence) + 1.0))
    return ranked
