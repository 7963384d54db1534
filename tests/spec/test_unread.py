"""A searched parameter that changes nothing in any trial is told, unless some trial of the space reads it."""

import pytest

from tests.spec.sweep_files import load_text, problems_of

HEADS = {
    "features": "name: test\ndata: {source: csv, path: f.csv}\n",
    "faces": "name: test\ndata: {source: synthetic_faces, size: 32}\n",
}
CNN = "model: {kind: cnn, input_size: 16}\ntrain: {batch_size: 8}\n"
RESNET = "model: {kind: resnet, weights: none}\n"
SVM = "model: {kind: svm}\n"


def sweep(base: str, *parameters: str) -> str:
    return f"{base}run_cap: 5\nparameters:\n" + "".join(f"  {parameter}\n" for parameter in parameters)


@pytest.mark.parametrize(
    ("data", "base", "parameter", "message"),
    [
        ("features", "", "features.components: {values: [5, 10]}",
         "data.source: csv has features, not pictures. Use data.source: folder, fer2013 or "),
        ("faces", CNN, "features.components: {values: [5, 10]}",
         "model.kind: cnn sees the pictures themselves. Use model.kind: mlp or svm, or leave it out."),
        ("faces", RESNET, "features.size: {values: [64, 128]}", "model.kind: resnet sees the pictures themselves."),
        ("faces", "features: {descriptors: phog}\n", "features.lpq_window: {values: [3, 5]}",
         "features.descriptors: phog is without LPQ. Use descriptors that have it, or leave it out."),
        ("faces", "features: {descriptors: lpq}\n", "features.phog_bins: {values: [8, 16]}",
         "features.descriptors: lpq is without PHOG."),
        ("faces", "features: {components: all}\n", "features.fit_on: {values: [train, all]}",
         "features.components: all fits nothing. Use a number of components, or leave it out."),
        ("features", "", "train.momentum: {values: [0.0, 0.9]}",
         "train.optimizer: adam ignores it. Use train.optimizer: sgd, or leave it out."),
        ("features", "", "train.precision: {values: [auto, float32]}", "only networks that are trained on pictures "),
        ("faces", CNN, "train.normalize: {values: [true, false]}", "model.kind: cnn brings its own normalization."),
        ("features", SVM, "train.learning_rate: {values: [0.1, 0.2]}", "model.kind: svm is not trained in epochs."),
        ("features", SVM, "schedule.warm_up: {values: [0, 1]}", "model.kind: svm has no learning rate."),
    ],
)  # fmt: skip
def test_a_parameter_that_no_trial_reads_is_a_mistake(data: str, base: str, parameter: str, message: str) -> None:
    (found,) = problems_of(sweep(base, parameter), head=HEADS[data])

    assert f"parameters.{parameter.partition(':')[0]}: changes nothing: {message}" in found


@pytest.mark.parametrize(
    ("data", "base", "parameters"),
    [
        ("features", "", ["train.optimizer: {values: [adam, sgd]}", "train.momentum: {values: [0.0, 0.9]}"]),
        ("faces", "", ["features.descriptors: {values: [lpq, phog]}", "features.lpq_window: {values: [3, 5]}"]),
        ("faces", SVM, ["features.components: {values: [5, 10]}", "train.normalize: {values: [true, false]}"]),
        ("features", SVM, ["model.kind: {values: [svm, mlp]}", "train.learning_rate: {values: [0.1, 0.2]}"]),
        ("features", "train: {optimizer: sgd}\n", ["train.momentum: {values: [0.0, 0.9]}"]),
    ],
)
def test_what_some_trial_reads_can_be_searched(data: str, base: str, parameters: list[str]) -> None:
    assert len(load_text(sweep(base, *parameters), head=HEADS[data]).parameters) == len(parameters)
