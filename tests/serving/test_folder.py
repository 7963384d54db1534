"""A pipeline on disk: the same answers afterwards, in files that hold no code."""

import json
from pathlib import Path

import numpy as np
import pytest

from fer_sweep.data import load_samples
from fer_sweep.errors import DataError
from fer_sweep.serving import FittedPipeline, load, predict, save
from fer_sweep.spec.data import FaceOptions
from tests.serving.fitted import KINDS, configured, fitted


def pipeline_of(kind: str) -> FittedPipeline:
    config = configured(KINDS[kind])
    return fitted(config, load_samples(config.data))


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_pipeline_is_the_saved_one(kind: str, tmp_path: Path) -> None:
    config = configured(KINDS[kind])
    samples = load_samples(config.data)
    saved = fitted(config, samples)

    save(saved, tmp_path / "pipeline")
    loaded = load(tmp_path / "pipeline")

    assert sorted(file.name for file in (tmp_path / "pipeline").iterdir()) == ["pipeline.json", "weights.safetensors"]
    for name in ("input", "descriptors", "model", "class_names"):
        assert getattr(loaded, name) == getattr(saved, name)
    for name, array in saved.weights.items():
        np.testing.assert_array_equal(loaded.weights[name], array, strict=True)
    inputs = samples.pictures.select(range(8)) if isinstance(saved.input, FaceOptions) else samples.features[:8]
    np.testing.assert_array_equal(predict(loaded, inputs), predict(saved, inputs))


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("pipeline.json", None, r"No such file"),
        ("pipeline.json", "{", r"ValidationError"),
        ("weights.safetensors", "nonsense", r"SafetensorError"),
    ],
)
def test_a_folder_without_a_pipeline_is_told(file: str, content: str | None, reason: str, tmp_path: Path) -> None:
    save(pipeline_of("svm"), tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(content)

    with pytest.raises(DataError, match=rf"holds no fitted pipeline that this version .*{reason}"):
        load(tmp_path)


def test_another_format_or_lost_arrays_are_refused(tmp_path: Path) -> None:
    save(pipeline_of("mlp, fused"), tmp_path)
    description = json.loads((tmp_path / "pipeline.json").read_text())

    (tmp_path / "pipeline.json").write_text(json.dumps({**description, "format": 2}))
    with pytest.raises(DataError, match="holds no fitted pipeline that this version"):
        load(tmp_path)
    (tmp_path / "pipeline.json").write_text(json.dumps({**description, "projection": ["lpq"]}))
    with pytest.raises(DataError, match=r"KeyError: 'projection\.lpq\.mean'"):
        load(tmp_path)
