"""The numbers and files of one trial, without a tracker around them."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_sweep.data import Samples
from fer_sweep.spec.trial import TrialConfig
from fer_sweep.study.events import Trial, TrialFinished
from fer_sweep.study.rows import TrialRow
from fer_sweep.tracking.trial_artifacts import write_trial_artifacts
from fer_sweep.tracking.trial_metrics import epoch_metrics, final_metrics
from fer_sweep.training.bimodality import bimodality_over_epochs
from fer_sweep.training.calibration import calibration_on_test
from fer_sweep.training.metrics import scores_on_test
from fer_sweep.training.records import TrialResult
from tests.tracking.factories import CLASS_NAMES, CLASSES, TRAIN_SIZE, samples_for, svm_result, trial_result

MLP, SVM = {"kind": "mlp"}, {"kind": "svm"}


def finished(result: TrialResult, **config: object) -> TrialFinished:
    base = {"data": {"source": "synthetic_features"}, "model": MLP, "removal": {"rule": "bdr"}}
    trial = Trial("search", result.trial, TrialConfig.model_validate({**base, **config}), {}, "")
    return TrialFinished(trial, TrialRow(result.trial, "complete", {}, 0.2, 0.01, 4, 1.0), result)


def svm_finished() -> TrialFinished:
    return finished(svm_result(), model=SVM, removal={"rule": "none"})


def values(event: TrialFinished, samples: Samples) -> dict[str, float]:
    return {metric.key: metric.value for metric in final_metrics(event, samples, start_ms=0)}


def written(event: TrialFinished, samples: Samples, folder: Path) -> dict[str, Path]:
    write_trial_artifacts(folder, event, samples)
    return {file.name: file for file in folder.iterdir()}


def table(file: Path) -> dict[str, dict[str, str]]:
    return {row["class"]: row for row in csv.DictReader(file.read_text().splitlines())}


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


def test_the_bimodality_of_the_losses_is_a_series_and_its_highest_point_a_metric(samples: Samples) -> None:
    event = finished(trial_result())
    assert event.result is not None
    epochs, index = bimodality_over_epochs(event.result.networks)
    expected = dict(zip(epochs.tolist(), index.mean(axis=0).tolist(), strict=True))

    series = epoch_metrics(event.result, start_ms=0, ms_per_epoch=2.0)
    found = {metric.step: metric.value for metric in series if metric.key == "epoch/bimodality"}

    assert found == {report.epoch: expected[report.epoch] for report in event.result.reports}
    highest = values(event, samples)
    assert highest["train/bimodality"] == max(expected.values())
    assert expected[int(highest["train/bimodality_epoch"])] == max(expected.values())


def test_an_svm_has_no_losses_whose_bimodality_could_be_told(samples: Samples) -> None:
    assert not any("bimodality" in name for name in values(svm_finished(), samples))
    assert epoch_metrics(svm_result(), start_ms=0, ms_per_epoch=2.0) == []


def test_the_confusion_matrix_is_kept_in_counts_and_in_per_cent(samples: Samples, tmp_path: Path) -> None:
    kept = json.loads(written(finished(trial_result()), samples, tmp_path)["confusion.json"].read_text())

    total, percent = np.array(kept["total"]), np.array(kept["total_percent_of_true_class"])

    assert total.sum() == 4 * TRAIN_SIZE
    np.testing.assert_allclose(percent, 100 * total / total.sum(axis=1, keepdims=True), atol=1e-3)


def test_the_per_class_table_is_that_of_the_metrics_module(samples: Samples, tmp_path: Path) -> None:
    event = finished(trial_result())
    assert event.result is not None
    scores = scores_on_test(event.result, samples.y, CLASSES)

    rows = table(written(event, samples, tmp_path)["per_class.csv"])

    assert list(rows) == [*CLASS_NAMES, "(mean of the classes)"]
    recall, specificity = float(rows["fear"]["recall"]), float(rows["fear"]["specificity"])
    assert recall == pytest.approx(scores.per_class.recall[2], abs=1e-4)
    assert specificity == pytest.approx(scores.per_class.specificity[2], abs=1e-4)
    by_repeat = scores.classes_by_network["f1"][:, :, 2].mean(axis=1)
    assert float(rows["fear"]["f1_spread"]) == pytest.approx(by_repeat.std(ddof=1), abs=1e-4)
    assert float(rows["fear"]["support"]) == (samples.y == 2).sum()
    assert float(rows["(mean of the classes)"]["recall"]) == pytest.approx(scores.estimate("uar").mean, abs=1e-4)
    assert float(rows["(mean of the classes)"]["support"]) == len(samples)


def test_removals_are_counted_by_class(samples: Samples, tmp_path: Path) -> None:
    event = finished(trial_result())
    assert event.result is not None
    gone = [samples.y[i] for n in event.result.networks for r in n.removals for i in r.removed]

    found, files = values(event, samples), written(event, samples, tmp_path)

    counts = [found[f"removal_count/{name}"] for name in CLASS_NAMES]
    assert counts == (np.bincount(gone, minlength=CLASSES) / 4).tolist()
    assert sum(counts) == found["removal/removed"]
    rows = table(files["removed_by_class.csv"])
    for name, count in zip(CLASS_NAMES, counts, strict=True):
        assert float(rows[name]["removed"]) == count
        assert float(rows[name]["removed_share"]) == pytest.approx(found[f"removal_share/{name}"], abs=1e-4)
    assert float(rows["(all)"]["removed"]) == pytest.approx(sum(counts))
    assert "removed_by_class.png" in files


def test_where_nothing_can_be_removed_no_class_loses_anything(samples: Samples, tmp_path: Path) -> None:
    event = finished(trial_result(removals=False), removal={"rule": "none"})

    assert not any(name.startswith("removal_") for name in values(event, samples))
    assert not {"removals.csv", "removed_by_class.csv", "removed_by_class.png"} & set(written(event, samples, tmp_path))


def test_a_rule_that_removed_nothing_says_so_in_numbers(samples: Samples) -> None:
    found = values(finished(trial_result(removals=False)), samples)

    assert [found[f"removal_share/{name}"] for name in CLASS_NAMES] == [0.0] * CLASSES


def test_the_reported_metrics_have_an_interval_from_three_repeats_on(samples: Samples) -> None:
    result = trial_result()
    four = tuple(replace(network, repeat=i, fold=0) for i, network in enumerate(result.networks))

    few, enough = (values(finished(r), samples) for r in (result, replace(result, networks=four)))

    for name in ("test/accuracy", "test/macro_f1", "test/uar", "test/ece"):
        half = 3.182446 * enough[f"{name}_spread"] / 2
        assert enough[f"{name}_high95"] - enough[name] == pytest.approx(half, rel=1e-5)
        assert enough[name] - enough[f"{name}_low95"] == pytest.approx(half, rel=1e-5)
    assert not any(name.endswith("95") for name in few)
