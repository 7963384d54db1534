"""The SVM baseline (paper Table 1, first rows; Dhall et al. 2011): C-SVC of scikit-learn."""

import numpy as np
import numpy.typing as npt
from sklearn.svm import SVC

from fer_sweep.spec.models import SvmModel


def fit_svm(config: SvmModel, x: npt.NDArray[np.float32], y: npt.NDArray[np.int64]) -> SVC:
    """A fitted one-against-one C-SVC. x: (n, d) features, y: (n,) class indices."""
    return SVC(kernel=config.kernel, C=config.c, gamma=config.gamma, decision_function_shape="ovr").fit(x, y)


def svm_votes(svm: SVC, x: npt.NDArray[np.float32], classes: int) -> npt.NDArray[np.float32]:
    """(n, C) softmax of the one-against-rest decision values; the largest is the predicted class.

    The values rank the classes; they are not calibrated probabilities. Classes absent from training get 0.
    """
    decision = svm.decision_function(x).reshape(len(x), -1)
    if decision.shape[1] == 1:  # two classes: one signed distance
        decision = np.hstack([-decision, decision])
    exponent = np.exp(decision - decision.max(axis=1, keepdims=True))
    votes = np.zeros((len(x), classes), dtype=np.float32)
    votes[:, svm.classes_] = exponent / exponent.sum(axis=1, keepdims=True)
    return votes
