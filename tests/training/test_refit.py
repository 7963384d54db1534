"""refit: the very network of a trial, or one on everything; and what it hands out predicts as its engine does."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from fer_sweep.data import Samples, Split, load_samples, make_split
from fer_sweep.errors import DataError, TrainingFailed
from fer_sweep.serving import FeatureRows, predict
from fer_sweep.spec.data import FaceOptions
from fer_sweep.spec.trial import TrialConfig
from fer_sweep.training import picture_trials
from fer_sweep.training.backbone import Backbone
from fer_sweep.training.records import TrialResult
from fer_sweep.training.refit import refit
from fer_sweep.training.threads import threads_each
from fer_sweep.training.trials import TrialRequest, run_trials
from tests.serving.fitted import CPU, KINDS, configured, ended, fitted


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other are slow on a machine that others use too."""
    with threads_each(1):
        yield


def measured(config: TrialConfig, samples: Samples, split: Split) -> TrialResult:
    result = list(run_trials([TrialRequest(0, config, 5)], samples, split, device=CPU))[-1]
    assert isinstance(result, TrialResult)
    return result


@pytest.mark.parametrize("kind", KINDS)
def test_a_refit_on_a_fold_predicts_what_the_trial_measured_there(kind: str) -> None:
    config = configured(KINDS[kind])
    samples = load_samples(config.data)
    split = make_split(samples, config.protocol)
    result, fold = measured(config, samples, split), split.folds[1]
    network = result.networks[1]

    pipeline = fitted(config, samples, fold=fold)

    asked = (
        samples.pictures.select(fold.test.tolist())
        if isinstance(pipeline.input, FaceOptions)
        else samples.features[fold.test]
    )
    answers = predict(pipeline, asked)
    assert np.ptp(answers.argmax(1)) or np.ptp(answers[:, 0])  # not one answer for all
    np.testing.assert_allclose(answers, network.test_probabilities, atol=2e-6, rtol=1e-4)
    assert pipeline.class_names == samples.class_names


@pytest.mark.parametrize("kind", ["mlp, fused", "mlp, batched", "cnn", "resnet, frozen", "svm"])
def test_without_a_fold_all_samples_are_trained_on(kind: str) -> None:
    config = configured(KINDS[kind])
    samples = load_samples(config.data)

    reports, pipeline = ended(refit(config, samples, seed=5, device=CPU))
    again = fitted(config, samples)
    other = ended(refit(config, samples, seed=6, device=CPU))[1]

    for name, array in pipeline.weights.items():
        np.testing.assert_array_equal(array, again.weights[name])
    if kind == "svm":
        assert reports == []
        return
    assert any(not np.array_equal(array, other.weights[name]) for name, array in pipeline.weights.items())
    assert (reports[0].epoch, reports[-1].epoch) == (0, config.train.last_epoch)
    assert reports[0].active_samples == len(samples)
    assert np.isnan(reports[-1].test.accuracy)
    assert reports[-1].validation is None
    if not config.trains_on_pictures:  # whose few epochs with dropout teach little
        assert reports[-1].train_loss < reports[0].train_loss


def test_removal_takes_samples_away_in_a_refit_too() -> None:
    config = configured(KINDS["mlp, fused"])
    reports, _ = ended(refit(config, load_samples(config.data), seed=5, device=CPU))

    assert reports[-1].active_samples < reports[0].active_samples


def test_the_pipeline_says_what_its_input_is() -> None:
    config = configured(KINDS["mlp, fused"])
    samples = replace(load_samples(config.data), columns=("a", "b", "c", "d", "e", "f"))

    assert fitted(config, samples).input == FeatureRows(("a", "b", "c", "d", "e", "f"), "error")
    assert fitted(config, replace(samples, columns=None)).input == FeatureRows(
        ("feature_1", "feature_2", "feature_3", "feature_4", "feature_5", "feature_6"), "error"
    )


def test_a_network_that_diverges_is_told() -> None:
    config = configured({"train": {"epochs": 20, "optimizer": "sgd", "learning_rate": 1000.0, "weight_decay": 100.0}})

    with pytest.raises(TrainingFailed, match=r"could not be trained: the training loss .* no longer a finite number"):
        fitted(config, load_samples(config.data))


@pytest.mark.parametrize(
    ("kind", "owner", "function", "message"),
    [
        ("cnn", picture_trials, "form_cohorts", "the GPU's memory is too small for 1 network of a trial"),
        ("resnet, frozen", Backbone, "features", "the GPU's memory is too small for the frozen ResNet-18"),
    ],
)
def test_too_little_memory_is_told(
    kind: str, owner: object, function: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(owner, function, full)
    config = configured(KINDS[kind])

    with pytest.raises(TrainingFailed, match=f"could not be trained: {message}"):
        fitted(config, load_samples(config.data))


def test_an_svm_that_cannot_be_fitted_is_told() -> None:
    config = configured(KINDS["svm"])
    samples = load_samples(config.data)
    alone = replace(samples, y=np.zeros_like(samples.y))

    with pytest.raises(DataError, match=r"scikit-learn could not fit the SVM: .*Check the features and labels"):
        fitted(config, alone)
