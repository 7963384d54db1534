"""Known data sets: JAFFE, RAF-DB and CK+ are read by their authors' conventions."""

from pathlib import Path

import numpy as np
import pytest

from fer_sweep.errors import DataError
from tests.data.picture_folders import labels, load, pictures


def test_jaffe_is_known_by_its_file_names(tmp_path: Path) -> None:
    samples = load(pictures(tmp_path, ["KA.AN1.39.tiff", "KA.HA2.30.tiff", "YM.AN1.61.tiff", "YM.HA1.52.tiff"]))

    assert labels(samples)["KA.HA2.30.tiff"] == "Happy"
    assert samples.person_names == ("KA", "YM")


def test_raf_db_is_known_by_its_list(tmp_path: Path) -> None:
    names = [f"{part}_{n:05d}" for part in ("train", "test") for n in (1, 2, 3, 4)]
    pictures(tmp_path / "Image" / "aligned", [f"{name}_aligned.jpg" for name in names])
    listing = tmp_path / "EmoLabel" / "list_patition_label.txt"
    listing.parent.mkdir()
    listing.write_text("\n".join(f"{name}.jpg {4 + i % 2}" for i, name in enumerate(names)))

    samples = load(tmp_path)

    assert labels(samples)["Image/aligned/train_00002_aligned.jpg"] == "Sad"
    assert samples.part is not None
    assert samples.part.tolist() == [2] * 4 + [0] * 4
    listing.write_text("train_00001.jpg 9")
    with pytest.raises(DataError, match=r"line 1: 'train_00001.jpg 9' is not of the form"):
        load(tmp_path)
    listing.write_text("\n")
    with pytest.raises(DataError, match=r"list_patition_label.txt lists no pictures. It has lines such as"):
        load(tmp_path)
    listing.write_bytes(b"train_\xff")
    with pytest.raises(DataError, match=r"list_patition_label.txt is no text: byte 6 is not UTF-8. Unpack it again"):
        load(tmp_path)
    (tmp_path / "Image" / "aligned").rename(tmp_path / "Image" / "elsewhere")
    with pytest.raises(DataError, match=r"has neither Image/aligned nor Image/original. Unpack aligned.zip"):
        load(tmp_path)


def ck_plus(root: Path, codes: dict[str, float | str], frames: int = 6) -> Path:
    """A CK+ of one sequence per subject with that emotion code."""
    for subject, code in codes.items():
        names = [f"{subject}_001_{n:08d}.png" for n in range(1, frames + 1)]
        pictures(root / "cohn-kanade-images" / subject / "001", names)
        label = root / "Emotion" / subject / "001" / f"{subject}_001_{frames:08d}_emotion.txt"
        label.parent.mkdir(parents=True)
        label.write_text(code if isinstance(code, str) else f"   {code:.7e}\n")
    return root


def test_ck_plus_takes_the_last_frames_of_labelled_sequences_and_a_neutral_first(tmp_path: Path) -> None:
    samples = load(ck_plus(tmp_path, {"S005": 3, "S010": 3, "S011": 2}))

    assert samples.class_names == ("Disgust", "Neutral")
    assert np.bincount(samples.y).tolist() == [6, 2]
    assert samples.person_names == ("S005", "S010")
    assert "1 sequences labelled contempt are left out" in samples.warnings[0]
    for frame in (tmp_path / "cohn-kanade-images" / "S005" / "001").iterdir():
        frame.unlink()
    with pytest.raises(
        DataError, match=r"labels the sequence S005/001, which has no pictures in .*, or remove the label"
    ):
        load(tmp_path)


@pytest.mark.parametrize(("frames", "counts"), [(1, [2]), (2, [2, 2]), (3, [4, 2]), (4, [6, 2])])
def test_no_frame_of_ck_plus_has_two_labels(tmp_path: Path, frames: int, counts: list[int]) -> None:
    codes: dict[str, float | str] = {"S005": 3, "S010": 3}
    if frames == 1:
        codes |= {"S011": 5, "S012": 5}
        counts = [2, 2]

    samples = load(ck_plus(tmp_path, codes, frames))

    assert len(set(samples.ids)) == len(samples.ids)
    assert np.bincount(samples.y).tolist() == counts


@pytest.mark.parametrize("code", ["", "happy", "nan", "8", "-1", "3.5", "1 2"])
def test_a_label_of_ck_plus_that_is_none_is_named(tmp_path: Path, code: str) -> None:
    root = ck_plus(tmp_path, {"S005": 3, "S010": code})

    with pytest.raises(DataError) as caught:
        load(root)

    file = root / "Emotion" / "S010" / "001" / "S010_001_00000006_emotion.txt"
    assert str(caught.value) == (
        f"{file}: {code!r} is not one of 0 Neutral, 1 Angry, 2 contempt, 3 Disgust, 4 Fear, 5 Happy, 6 Sad, 7 "
        "Surprise. Correct the file, or remove it."
    )


def test_labels_of_ck_plus_that_are_no_files_of_text_are_named(tmp_path: Path) -> None:
    root = ck_plus(tmp_path, {"S005": 3, "S010": 3})
    label = root / "Emotion" / "S010" / "001" / "S010_001_00000006_emotion.txt"
    label.write_bytes(b" 3\xb5")
    with pytest.raises(DataError, match=r"S010_001_00000006_emotion.txt is no text: byte 2 is not UTF-8"):
        load(root)
    label.unlink()
    label.mkdir()
    with pytest.raises(DataError, match=r"S010_001_00000006_emotion.txt cannot be read: Is a directory"):
        load(root)


def test_hidden_files_of_ck_plus_are_ignored(tmp_path: Path) -> None:
    root = ck_plus(tmp_path, {"S005": 3, "S010": 3})
    (root / "Emotion" / "S010" / "001" / "._S010_001_00000006_emotion.txt").write_bytes(b"\0\5\x16\7")
    (root / "cohn-kanade-images" / "S010" / "001" / "._S010_001_00000006.png").write_bytes(b"\0\5\x16\7")

    assert len(load(root, on_bad_file="error")) == 8


def test_a_ck_plus_without_labels_is_told(tmp_path: Path) -> None:
    root = pictures(tmp_path, ["cohn-kanade-images/S005/001/S005_001_00000001.png"])
    (root / "Emotion").mkdir()

    with pytest.raises(
        DataError, match=r"looks like CK\+, but .*Emotion has no file <subject>/<sequence>/\*_emotion.txt"
    ):
        load(root)
