"""What a pipeline answers at the edges: rows it cannot answer, and batches of any size."""

import subprocess
import sys
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

from fer_sweep.data import Samples, load_samples
from fer_sweep.errors import DataError
from fer_sweep.serving import Classifier, FeatureRows, FittedPipeline, predict
from fer_sweep.serving import classifier as at_work
from tests.serving.fitted import KINDS, configured, fitted


@pytest.fixture(scope="module")
def samples() -> Samples:
    return load_samples(configured(KINDS["svm"]).data)


@pytest.fixture(scope="module")
def svm(samples: Samples) -> FittedPipeline:
    return fitted(configured(KINDS["svm"]), samples)


def with_rule(pipeline: FittedPipeline, missing: Literal["drop", "impute", "error"]) -> FittedPipeline:
    assert isinstance(pipeline.input, FeatureRows)
    return replace(pipeline, input=replace(pipeline.input, missing=missing))


def test_a_missing_value_is_treated_as_in_training(samples: Samples, svm: FittedPipeline) -> None:
    x = samples.features[:4].copy()
    x[1, 2] = np.nan
    filled = np.nan_to_num(x)

    dropped, imputed = predict(with_rule(svm, "drop"), x), predict(with_rule(svm, "impute"), x)

    assert np.isnan(dropped).all(axis=1).tolist() == [False, True, False, False]
    np.testing.assert_array_equal(dropped[[0, 2, 3]], predict(svm, filled[[0, 2, 3]]))
    np.testing.assert_array_equal(imputed, predict(svm, filled))
    with pytest.raises(DataError, match="row 1, column feature_3: the value is missing"):
        predict(with_rule(svm, "error"), x)
    with pytest.raises(DataError, match=r"^b, column feature_3: the value is missing"):
        Classifier(with_rule(svm, "error")).of_rows(x, ["a", "b", "c", "d"])


@pytest.mark.parametrize("shape", [(3, 5), (3, 7), (6,)])
def test_another_number_of_features_is_an_error(svm: FittedPipeline, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"takes 6 features a row \(feature_1, .*, but .* shape \(.*\(n, 6\)"):
        predict(svm, np.zeros(shape))


def test_a_value_too_large_is_an_error(svm: FittedPipeline) -> None:
    with pytest.raises(DataError, match="row 0, column feature_1: the value is not finite in float32"):
        predict(svm, np.full((2, 6), 1e300))


def test_nothing_in_nothing_out(svm: FittedPipeline) -> None:
    assert predict(svm, np.empty((0, 6))).shape == (0, 7)


def test_pictures_are_answered_the_same_in_any_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(KINDS["cnn"])
    samples = load_samples(config.data)
    pipeline = fitted(config, samples)
    together = predict(pipeline, samples.pictures.select(range(10)))

    monkeypatch.setattr(at_work, "PICTURES_AT_ONCE", 3)

    np.testing.assert_allclose(predict(pipeline, samples.pictures.select(range(10))), together, atol=1e-6)
    assert predict(pipeline, samples.pictures.select([])).shape == (0, 7)


LIGHT: dict[str, list[str]] = {
    "fer_sweep.serving": [],
    "fer_sweep.serving.requests": [],
    "fer_sweep.serving.network": ["torch"],
}


@pytest.mark.parametrize("module", LIGHT)
def test_serving_imports_what_it_needs_only(module: str) -> None:
    heavy: Any = {"torch", "torchvision", "optuna", "mlflow", "numba", "sklearn", "cv2", "PIL", "ruamel", "scipy"}
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert printed.stdout.strip() == str(LIGHT[module])
