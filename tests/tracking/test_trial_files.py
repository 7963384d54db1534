"""The numbers and files of one trial, without a tracker around them."""

import json
from pathlib import Path

import numpy as np
import pytest

from fer_sweep.data import Samples
from fer_sweep.spec.trial import TrialConfig
from fer_sweep.study.events import Trial, TrialFinished
from fer_sweep.study.rows import TrialRow
from fer_sweep.tracking.trial_artifacts import write_trial_artifacts
from fer_sweep.tracking.trial_metrics import final_metrics
from fer_sweep.training.calibration import calibration_on_test
from fer_sweep.training.records import TrialResult
from tests.tracking.factories import TRAIN_SIZE, samples_for, svm_result, trial_result

MLP, SVM = {"kind": "mlp"}, {"kind": "svm"}


def finished(result: TrialResult, **config: object) -> TrialFinished:
    base = {"data": {"source": "synthetic_features"}, "model": MLP, "removal": {"rule": "bdr"}}
    trial = Trial("search", result.trial, TrialConfig.model_validate({**base, **config}), {})
    return TrialFinished(trial, TrialRow(result.trial, "complete", {}, 0.2, 0.01, 4, 1.0), result)


def svm_finished() -> TrialFinished:
    return finished(svm_result(), model=SVM, removal={"rule": "none"})


def values(event: TrialFinished, samples: Samples) -> dict[str, float]:
    return {metric.key: metric.value for metric in final_metrics(event, samples, start_ms=0)}


def written(event: TrialFinished, samples: Samples, folder: Path) -> dict[str, Path]:
    write_trial_artifacts(folder, event, samples)
    return {file.name: file for file in folder.iterdir()}


@pytest.fixture(scope="module")
def samples() -> Samples:
    return samples_for()


def test_calibration_is_a_metric_and_a_picture(samples: Samples, tmp_path: Path) -> None:
    event = finished(trial_result())
    assert event.result is not None
    ece = calibration_on_test(event.result, samples.y).ece

    found = values(event, samples)

    assert (found["test/ece"], found["test/ece_spread"]) == (ece.mean, ece.spread)
    assert "reliability.png" in written(event, samples, tmp_path)


def test_an_svm_has_no_calibration_because_its_votes_are_no_probabilities(samples: Samples, tmp_path: Path) -> None:
    event = svm_finished()

    assert not any("ece" in name for name in values(event, samples))
    assert "reliability.png" not in written(event, samples, tmp_path)


def test_the_confusion_matrix_is_kept_in_counts_and_in_per_cent(samples: Samples, tmp_path: Path) -> None:
    kept = json.loads(written(finished(trial_result()), samples, tmp_path)["confusion.json"].read_text())

    total, percent = np.array(kept["total"]), np.array(kept["total_percent_of_true_class"])

    assert total.sum() == 4 * TRAIN_SIZE
    np.testing.assert_allclose(percent, 100 * total / total.sum(axis=1, keepdims=True), atol=1e-3)
