"""Figures of trials on pictures, and the artifacts they become."""

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import FigureImage
from PIL import Image

from fer_sweep.data import Samples, load_samples, make_split
from fer_sweep.spec.data import SyntheticFaces
from fer_sweep.spec.models import CnnModel
from fer_sweep.spec.removal import BdrRemoval
from fer_sweep.spec.train import TrainConfig
from fer_sweep.spec.trial import TrialConfig
from fer_sweep.study.events import Trial, TrialFinished
from fer_sweep.study.journal import load_result, save_result
from fer_sweep.study.rows import TrialRow
from fer_sweep.tracking import figures
from fer_sweep.tracking.figures import pictures as drawing
from fer_sweep.tracking.figures import sheet
from fer_sweep.tracking.removed_faces import MOST, load_faces, removed_samples, save_faces
from fer_sweep.tracking.trial_artifacts import write_trial_artifacts
from fer_sweep.training.records import TrialResult
from fer_sweep.training.trials import TrialRequest, run_trials

DATA = SyntheticFaces(source="synthetic_faces", samples=56, persons=8, size=32, wrong_labels=0.25)
CONFIG = TrialConfig(
    data=DATA,
    model=CnnModel(kind="cnn", input_size=16, width=4),
    train=TrainConfig(epochs=3, batch_size=8, learning_rate=1e-3),
    removal=BdrRemoval(rule="bdr", start=1, interval=1, stop_variance=None, min_per_class=1),
)


@pytest.fixture(scope="module")
def samples() -> Samples:
    return load_samples(DATA)


@pytest.fixture(scope="module")
def result(samples: Samples) -> TrialResult:
    split = make_split(samples, CONFIG.protocol)
    record = list(run_trials([TrialRequest(0, CONFIG, 1)], samples, split, device=torch.device("cpu")))[-1]
    assert isinstance(record, TrialResult)
    return record


def size(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as image:
        return image.size


def test_a_trial_on_pictures_leaves_its_figures(samples: Samples, result: TrialResult, tmp_path: Path) -> None:
    row = TrialRow(0, "complete", {}, mean=0.5, spread=None, n=2, seconds=1.0)

    save_faces(tmp_path / "faces.npz", result, samples.pictures)
    faces = load_faces(tmp_path / "faces.npz")

    write_trial_artifacts(tmp_path, TrialFinished(Trial("search", 0, CONFIG, {}, ""), row, result), samples, faces)

    names = {file.name for file in tmp_path.iterdir()}
    assert {"activation_maps.png", "grad_cam.png", "removed_gallery.png", "training_curves.png"} <= names


def test_what_a_network_looks_at_survives_the_journal(result: TrialResult, tmp_path: Path) -> None:
    save_result(tmp_path / "r.npz", result, key="k")
    again = load_result(tmp_path / "r.npz", key="k")

    assert again is not None
    assert again.explanation is not None
    assert result.explanation is not None
    np.testing.assert_array_equal(again.explanation.grad_cam, result.explanation.grad_cam)
    for one, other in zip(again.explanation.activations, result.explanation.activations, strict=True):
        np.testing.assert_array_equal(one, other)


def test_figures_are_the_same_bytes_for_the_same_data(samples: Samples, result: TrialResult) -> None:
    shown = result.explanation
    assert shown is not None
    true = samples.y[shown.samples]

    for _ in range(2):
        assert figures.activation_maps(shown, title="t") == figures.activation_maps(shown, title="t")
        cams = [figures.grad_cam(shown, samples.class_names, true, title="t") for _ in range(2)]
        assert cams[0] == cams[1]


@pytest.mark.parametrize("channels", [1, 4, 16])
@pytest.mark.parametrize("blocks", [3, 4])
def test_no_text_is_cut_where_there_are_few_channels(result: TrialResult, channels: int, blocks: int) -> None:
    shown = result.explanation
    assert shown is not None
    maps = tuple(np.eye(8, dtype=np.float32)[None].repeat(channels, axis=0) for _ in range(blocks))

    png = figures.activation_maps(
        replace(shown, activations=maps), title="trial 12, base of the search, activation maps"
    )

    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image)
    assert (pixels[:, -4:] == 255).all()
    assert not (pixels[:50] == 255).all()


def test_wrong_predictions_look_different(samples: Samples, result: TrialResult) -> None:
    shown = result.explanation
    assert shown is not None

    right = figures.grad_cam(shown, samples.class_names, shown.predicted, title="t")
    wrong = figures.grad_cam(shown, samples.class_names, (shown.predicted + 1) % 7, title="t")

    assert right != wrong


def test_the_gallery_shows_the_largest_losses_and_grows_with_their_number(
    samples: Samples, result: TrialResult, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    removed = removed_samples(result)
    assert [one.error for one in removed] == sorted((one.error for one in removed), reverse=True)
    assert {one.sample for one in removed} == {i for n in result.networks for r in n.removals for i in r.removed}

    save_faces(tmp_path / "faces.npz", result, samples.pictures)
    faces = load_faces(tmp_path / "faces.npz")
    assert set(faces) == {one.sample for one in removed[:MOST]}
    assert {picture.shape for picture in faces.values()} == {(32, 32, 3)}
    first = dict(list(faces.items())[:5])
    few = size(figures.removed_gallery(result, samples, first, title="t"))
    monkeypatch.setattr(drawing, "COLUMNS", 2)
    narrow = size(figures.removed_gallery(result, samples, first, title="t"))

    assert narrow[1] > few[1]
    assert narrow[0] < few[0]


def test_no_removal_leaves_no_faces_and_unreadable_ones_none(
    result: TrialResult, samples: Samples, tmp_path: Path
) -> None:
    kept = replace(result, networks=tuple(replace(network, removals=()) for network in result.networks))
    save_faces(tmp_path / "faces.npz", kept, samples.pictures)
    assert not (tmp_path / "faces.npz").exists()

    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 and nothing more")

    assert load_faces(tmp_path / "faces.npz") == {}
    assert load_faces(tmp_path / "torn.npz") == {}


def test_captions_of_the_gallery_do_not_touch_and_rows_are_alike(
    samples: Samples, result: TrialResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(sheet, "png", drawn.append)
    removed = removed_samples(result)[:10]
    faces = {one.sample: np.zeros((32 + 3 * i, 32, 3), dtype=np.uint8) for i, one in enumerate(removed)}

    drawing.removed_gallery(result, samples, faces, title="t", error="cross entropy")

    (figure,) = drawn
    figure.draw_without_rendering()
    captions = [text.get_window_extent() for text in figure.texts if ", epoch" in text.get_text()]
    assert len(captions) == len(figure.images) == len(removed)
    for left, right in pairwise(captions):
        assert left.x1 < right.x0
    assert np.ptp([caption.y1 for caption in captions]) < 1
    for face, caption in zip(figure.images, captions, strict=True):
        assert isinstance(face, FigureImage)
        assert face.get_extent()[2] > caption.y1  # the face's lower edge
        assert abs(np.mean(face.get_extent()[:2]) - (caption.x0 + caption.x1) / 2) < 2
