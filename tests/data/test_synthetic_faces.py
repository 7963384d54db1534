"""Drawn faces: a function of the settings, balanced, readable, with known wrong labels."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_sweep.data import Samples, load_samples
from fer_sweep.data.action_units import PROTOTYPES, draw_action_units, effects_of
from fer_sweep.data.faces import find_faces
from fer_sweep.data.labels import EXPRESSIONS
from fer_sweep.data.synthetic_faces import draw_faces, write_faces
from fer_sweep.errors import DataError
from fer_sweep.spec.data import FolderData, SyntheticFaces


def faces(**settings: Any) -> Samples:
    return load_samples(
        SyntheticFaces(source="synthetic_faces", **{"samples": 56, "persons": 8, "size": 48, **settings})
    )


def test_faces_are_a_function_of_the_settings() -> None:
    assert faces().fingerprint == faces().fingerprint
    assert faces().fingerprint != faces(seed=1).fingerprint


def test_classes_and_persons_are_balanced() -> None:
    samples = faces(samples=84, persons=12)

    assert np.bincount(samples.y).tolist() == [12] * 7
    assert np.bincount(samples.person).tolist() == [7] * 12


def test_wrong_labels_are_known_and_change_no_picture() -> None:
    clean, planted = faces(), faces(wrong_labels=0.25)

    assert planted.planted is not None
    assert planted.planted.sum() == 14
    np.testing.assert_array_equal(clean.y != planted.y, planted.planted)
    assert clean.pictures.key == planted.pictures.key
    assert "14 of 56 labels are wrong on purpose" in planted.warnings[0]


def test_without_strength_every_expression_is_neutral() -> None:
    for expression in EXPRESSIONS:
        units = draw_action_units(expression, 0.0, np.random.default_rng(0))
        assert all(value == 0.0 for value in effects_of(units).values())


def test_expressions_do_what_their_action_units_say() -> None:
    def effects(expression: str) -> dict[str, float]:
        drawn = [effects_of(draw_action_units(expression, 1.0, np.random.default_rng(seed))) for seed in range(50)]
        return {name: float(np.mean([e.get(name, 0.0) for e in drawn])) for name in ("corner", "brow_inner", "part")}

    assert effects("Happy")["corner"] > 0.5
    assert effects("Sad")["corner"] < -0.5
    assert effects("Surprise")["brow_inner"] > 0.5
    assert effects("Angry")["brow_inner"] < -0.4
    assert effects("Surprise")["part"] > 0.5
    assert effects("Angry")["part"] == 0.0
    assert set(PROTOTYPES) == set(EXPRESSIONS)


def test_one_person_looks_alike_in_all_pictures() -> None:
    samples = faces(samples=56, persons=4, strength=0.0)
    middle = np.stack([samples.pictures.whole(i)[22:28, 20:28].mean(axis=(0, 1)) for i in range(len(samples))])

    within = np.mean([middle[samples.person == p].std(axis=0).mean() for p in range(4)])

    assert within < middle.std(axis=0).mean()


def test_a_detector_finds_most_faces() -> None:
    found = find_faces(faces(samples=70, persons=10, size=96).pictures)[:, 0]

    assert found.mean() > 0.6


def test_more_persons_than_samples_are_refused() -> None:
    with pytest.raises(DataError, match=r"data.persons: 60 is more than data.samples: 56"):
        faces(persons=60)


def test_written_faces_come_back_with_their_persons(tmp_path: Path) -> None:
    samples = faces(wrong_labels=0.25)

    manifest = write_faces(samples, tmp_path / "faces")
    back = load_samples(FolderData(source="folder", path=str(tmp_path / "faces")))

    assert len(manifest.read_text().splitlines()) == 57
    assert back.class_names == samples.class_names
    assert set(back.person_names) == set(samples.person_names)
    assert sorted(back.pictures.digests) != sorted(samples.pictures.digests)  # hashes of files, not of arrays
    first = int(back.ids[0].rsplit("_", 1)[1].split(".")[0])
    np.testing.assert_array_equal(back.pictures.whole(0), samples.pictures.whole(first))


def test_faces_are_written_into_new_folders_only(tmp_path: Path) -> None:
    samples = faces()
    (tmp_path / "file").touch()

    with pytest.raises(DataError, match=r"is not empty. Name a new folder, so that nothing is mixed or overwritten."):
        write_faces(samples, tmp_path)
    with pytest.raises(DataError, match=r"file is a file, not a folder. Name a new folder."):
        write_faces(samples, tmp_path / "file")
    with pytest.raises(DataError, match=r"inside cannot be written: Not a directory. Name another folder."):
        write_faces(samples, tmp_path / "file" / "inside")


def test_drawing_can_be_followed_and_left() -> None:
    config = SyntheticFaces(source="synthetic_faces", samples=56, persons=8, size=32)
    drawing = draw_faces(config)

    first = next(drawing)
    assert isinstance(drawing, Generator)
    drawing.close()

    np.testing.assert_array_equal(first, load_samples(config).pictures.whole(0))
