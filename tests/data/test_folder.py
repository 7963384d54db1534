"""`source: folder`: layouts, labels, persons, official parts, bad files."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fer_sweep.data import Samples, load_samples
from fer_sweep.data.labels import EXPRESSIONS
from fer_sweep.errors import DataError
from fer_sweep.spec.data import FolderData

SHARED = Path(__file__).parents[3] / "shared" / "data" / "faces"


def picture(path: Path, seed: int | None = None) -> None:
    """A small picture file, each with its own content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(abs(hash(str(path))) if seed is None else seed)
    Image.fromarray(rng.integers(0, 256, (10, 12, 3)).astype(np.uint8)).save(path)


def pictures(root: Path, names: Sequence[str]) -> Path:
    for name in names:
        picture(root / name)
    return root


def load(root: Path, **settings: Any) -> Samples:
    return load_samples(FolderData(source="folder", path=str(root), **settings))


def labels(samples: Samples) -> dict[str, str]:
    return {name: samples.class_names[c] for name, c in zip(samples.ids, samples.y, strict=True)}


def persons(samples: Samples) -> list[str]:
    return [samples.person_names[p] for p in samples.person]


def test_folders_name_expressions_in_any_case_and_spelling(tmp_path: Path) -> None:
    root = pictures(tmp_path, [f"{c}/{n}.png" for c in ("ANGER", "Happiness", "joy", "sad") for n in ("a", "b")])

    samples = load(root)

    assert samples.class_names == ("Angry", "Happy", "Sad")
    assert labels(samples)["joy/a.png"] == "Happy"
    assert samples.ids == tuple(sorted(samples.ids))
    assert samples.pictures.whole(0).shape == (10, 12, 3)


def test_the_persons_of_sfew_are_film_franchises(tmp_path: Path) -> None:
    names = ("HarryPotter_Deathly_Hallows_1_001610960_00000028", "HarryPotter_Goblet_000123456_00000001",
             "OceansThirteen-010619400_00000087", "IAmSam_013827920__00000055")  # fmt: skip
    root = pictures(tmp_path, [f"{c}/{n}.png" for c in ("Angry", "Sad") for n in names])

    assert set(persons(load(root))) == {"HarryPotter", "Oceans", "IAmSam"}


def test_numbered_names_are_persons(tmp_path: Path) -> None:
    names = [f"{who}_{n:04d}.jpg" for who in ("Ann_Lee", "Bo_Li", "Cy_Ng", "Di_Wu", "Ed_Fu") for n in (1, 2)]
    samples = load(pictures(tmp_path, [f"{c}/{name}" for c in ("fear", "happy") for name in names]))

    assert set(samples.person_names) == {"Ann_Lee", "Bo_Li", "Cy_Ng", "Di_Wu", "Ed_Fu"}
    assert samples.warnings == ()


def test_names_that_tell_nobody_apart_are_no_persons(tmp_path: Path) -> None:
    samples = load(pictures(tmp_path, [f"{c}/Training_{n}.png" for c in ("fear", "happy") for n in range(4)]))

    assert len(samples.person_names) == 8
    assert "8 of 8 pictures name no person" in samples.warnings[0]


def test_a_pattern_says_who_is_in_a_picture(tmp_path: Path) -> None:
    root = pictures(tmp_path, [f"{c}/x-{who}-{n}.png" for c in ("fear", "happy") for who in "ab" for n in (1, 2)])

    assert load(root, person=r"x-(?P<person>\w)").person_names == ("a", "b")
    with pytest.raises(DataError, match=r"data.person: 'x-\(' is no regular expression: .*"):
        load(root, person="x-(")
    with pytest.raises(DataError, match=r"'x-\(.\)' has no group `person`. Mark the part"):
        load(root, person="x-(.)")
    with pytest.raises(DataError, match=r"fits none of the 8 pictures, such as 'fear/x-a-1.png'"):
        load(root, person="(?P<person>zzz)")


def test_the_parts_of_sfew_2_are_the_official_split(tmp_path: Path) -> None:
    names = [
        f"{part}/{part}_Aligned_Faces/{c}/Film{f}_000000000_0000000{n}.png"
        for part, films in (("Train", "AB"), ("Val", "CD")) for c in ("Angry", "Sad") for f in films for n in (1, 2)
    ]  # fmt: skip
    root = pictures(tmp_path, [*names, "Test/Test_Aligned_Faces_0001.png"])

    samples = load(root)

    assert samples.part is not None
    assert np.bincount(samples.part).tolist() == [8, 0, 8]
    assert "1 pictures are ignored, because their folders name no expression: Test (1)" in samples.warnings[0]


def test_numeric_folders_need_names_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    root = pictures(tmp_path, [f"{c}/{n}.png" for c in (1, 2, 10) for n in "ab"])

    assert labels(load(root, labels=("Surprise", "Fear", "Sad")))["10/a.png"] == "Sad"
    with pytest.raises(DataError, match=r"numeric class folders 1, 2, 10, but data.labels is not given"):
        load(root)
    with pytest.raises(DataError, match=r"but data.labels names 2 classes"):
        load(root, labels=("Fear", "Sad"))


def test_pictures_outside_of_class_folders_are_ignored_and_counted(tmp_path: Path) -> None:
    root = pictures(tmp_path, [*[f"{c}/{n}.png" for c in ("smile", "frown") for n in "ab"], "x.png", "Test/y.png"])

    samples = load(root)

    assert len(samples) == 4
    assert samples.warnings[0].startswith("2 pictures are ignored, because their folders name no expression: ")
    assert "Test (1)" in samples.warnings[0]


def test_folders_that_are_no_expressions_are_classes(tmp_path: Path) -> None:
    assert load(pictures(tmp_path, [f"{c}/{n}.png" for c in ("smile", "frown") for n in "ab"])).class_names == (
        "frown",
        "smile",
    )


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
    (tmp_path / "Image" / "aligned").rename(tmp_path / "Image" / "elsewhere")
    with pytest.raises(DataError, match=r"looks like RAF-DB, but has neither Image/aligned nor Image/original"):
        load(tmp_path)


def test_ck_plus_takes_the_last_frames_of_labelled_sequences_and_a_neutral_first(tmp_path: Path) -> None:
    for subject, code in (("S005", 3), ("S010", 3), ("S011", 2)):
        frames = tmp_path / "cohn-kanade-images" / subject / "001"
        pictures(frames, [f"{subject}_001_{n:08d}.png" for n in range(1, 7)])
        label = tmp_path / "Emotion" / subject / "001" / f"{subject}_001_00000006_emotion.txt"
        label.parent.mkdir(parents=True)
        label.write_text(f"   {code}.0000000e+00\n")

    samples = load(tmp_path)

    assert samples.class_names == ("Disgust", "Neutral")
    assert np.bincount(samples.y).tolist() == [6, 2]
    assert samples.person_names == ("S005", "S010")
    assert "1 sequences labelled contempt are left out" in samples.warnings[0]
    for frame in (tmp_path / "cohn-kanade-images" / "S005" / "001").iterdir():
        frame.unlink()
    with pytest.raises(DataError, match=r"labels the sequence S005/001, which has no pictures"):
        load(tmp_path)


def test_a_manifest_replaces_what_names_say(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", [f"{n}.png" for n in "abcd"])
    manifest = tmp_path / "m.csv"
    rows = ["a.png,joy,x,train", "b.png,sad,x,train", "c.png,joy,y,test", "d.png,sad,y,test"]
    manifest.write_text("\n".join(["path,label,person,part", *rows]))

    samples = load(root, manifest=str(manifest))

    assert labels(samples)["a.png"] == "Happy"
    assert persons(samples) == ["x", "x", "y", "y"]
    assert samples.part is not None
    assert samples.part.tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,emotion\na.png,joy\n", "has no column label. Columns: path and label"),
        ("path,label\na.png,\n", "row 2 has no label for 'a.png'"),
        ("path,label,part\na.png,joy,dev\n", "row 2: part 'dev' is not one of train, validation, test or empty"),
        ("path,label\nz.png,joy\n", "row 2: 'z.png' is not in"),
        ("path,label\n", "lists no pictures"),
    ],
)
def test_mistakes_in_a_manifest_are_named(tmp_path: Path, content: str, message: str) -> None:
    root = pictures(tmp_path / "p", ["a.png"])
    (tmp_path / "m.csv").write_text(content)

    with pytest.raises(DataError, match=re.escape(message)):
        load(root, manifest=str(tmp_path / "m.csv"))


def test_bad_files_are_left_out_or_refused_as_asked(tmp_path: Path) -> None:
    root = pictures(tmp_path, [f"{c}/{n}.png" for c in ("fear", "happy") for n in "ab"])
    (root / "fear" / "empty.jpg").touch()
    (root / "happy" / "page.jpg").write_text("<html>")

    samples = load(root)

    assert len(samples) == 4
    assert any("fear/empty.jpg (the file is empty), happy/page.jpg (not a picture)" in w for w in samples.warnings)
    with pytest.raises(
        DataError, match=r"2 files in .* are no readable pictures: fear/empty.jpg \(the file is empty\)"
    ):
        load(root, on_bad_file="error")


def test_a_folder_of_nothing_but_bad_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fear").mkdir()
    (tmp_path / "fear" / "empty.jpg").touch()

    with pytest.raises(DataError, match=r"has no readable picture: fear/empty.jpg"):
        load(tmp_path)


def test_repeated_pictures_are_told(tmp_path: Path) -> None:
    root = pictures(tmp_path, [f"{c}/{n}.png" for c in ("fear", "happy") for n in "ab"])
    picture(root / "fear" / "x.png", seed=1)
    picture(root / "happy" / "y.png", seed=1)
    picture(root / "fear" / "u.png", seed=2)
    picture(root / "fear" / "v.png", seed=2)

    told = " ".join(load(root).warnings)

    assert (
        "1 pictures occur under several labels, of which at most one can be right: x.png (Fear) = y.png (Happy)" in told
    )
    assert "1 pictures occur more than once under the same label" in told


def test_paths_that_are_no_folder_of_pictures_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not exist \(looked for "):
        load(tmp_path / "nowhere")
    (tmp_path / "table.csv").touch()
    with pytest.raises(DataError, match=r"is a file, not a folder"):
        load(tmp_path / "table.csv")
    with pytest.raises(DataError, match=r"holds no picture files"):
        load(tmp_path)
    picture(tmp_path / "lonely.png")
    with pytest.raises(DataError, match=r"has 1 pictures but no class folders"):
        load(tmp_path)


def test_real_faces_load() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"no faces at {SHARED}")

    samples = load(SHARED)

    assert len(samples) == 381
    assert samples.class_names == EXPRESSIONS
    assert len(samples.person_names) == 226
    assert samples.pictures.pixels(16).shape == (381, 16, 16, 3)
