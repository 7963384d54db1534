"""`source: folder`: layouts, labels, persons, official parts, bad files."""

import os
from pathlib import Path

import numpy as np
import pytest

from fer_sweep.data import make_split
from fer_sweep.data.labels import EXPRESSIONS
from fer_sweep.errors import DataError
from fer_sweep.spec.trial import ProtocolConfig
from tests.data.picture_folders import labels, load, persons, picture, pictures

SHARED = Path(__file__).parents[3] / "shared" / "data" / "faces"


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
    assert samples.warnings == (
        "persons are guessed from file names: Ann_Lee, Bo_Li, Cy_Ng, Di_Wu, Ed_Fu. Give data.person (a regular "
        "expression) or a data.manifest with a person column, if these are no persons.",
    )


def test_names_that_tell_nobody_apart_are_no_persons(tmp_path: Path) -> None:
    samples = load(pictures(tmp_path, [f"{c}/Training_{n}.png" for c in ("fear", "happy") for n in range(4)]))

    assert len(samples.person_names) == 8
    assert "No person is named by 8 of 8 pictures" in samples.warnings[0]


def test_a_pattern_says_who_is_in_a_picture(tmp_path: Path) -> None:
    root = pictures(tmp_path, [f"{c}/x-{who}-{n}.png" for c in ("fear", "happy") for who in "ab" for n in (1, 2)])

    assert load(root, person=r"x-(?P<person>\w)").person_names == ("a", "b")
    with pytest.raises(DataError, match=r"data.person: 'x-\(' is no regular expression: .*"):
        load(root, person="x-(")
    with pytest.raises(DataError, match=r"'x-\(.\)' has no group `person`. Mark the part"):
        load(root, person="x-(.)")
    with pytest.raises(DataError, match=r"fits none of the 8 pictures, such as 'fear/x-a-1.png'"):
        load(root, person="(?P<person>zzz)")


@pytest.mark.parametrize("pattern", [r"x-(?P<person>[a-c])", r"x-(?P<person>[a-c])?"])
def test_a_pattern_that_fits_some_files_only_is_refused(tmp_path: Path, pattern: str) -> None:
    names = [f"x-{who}-1.png" for who in "abcdefghi"]
    root = pictures(tmp_path, [f"{c}/{name}" for c in ("fear", "happy") for name in names])

    with pytest.raises(DataError) as caught:
        load(root, person=pattern)

    said = str(caught.value)
    assert said.startswith(
        f"data.person: {pattern!r} names a person in 6 of 18 pictures, but not in 'fear/x-d-1.png', "
    )
    assert "'happy/x-f-1.png'" not in said
    assert said.endswith(
        " and 7 more. Make it fit all paths, remove the files that do not belong here, or give a data.manifest with a "
        "person column."
    )


def test_the_parts_of_sfew_2_are_the_official_split(tmp_path: Path) -> None:
    names = [
        f"{part}/{part}_Aligned_Faces/{c}/Film{f}_000000000_0000000{n}.png"
        for part, films in (("Train", "AB"), ("Val", "CD")) for c in ("Angry", "Sad") for f in films for n in (1, 2)
    ]  # fmt: skip
    root = pictures(tmp_path, [*names, "Test/Test_Aligned_Faces_0001.png"])

    samples = load(root)

    assert samples.part is not None
    assert np.bincount(samples.part).tolist() == [8, 0, 8]
    assert "Ignored: 1 picture in folders that name no expression: Test (1)." in samples.warnings[0]


def test_a_picture_outside_of_the_official_parts_is_told_where_it_matters(tmp_path: Path) -> None:
    names = [f"{part}/{c}/{n}.png" for part in ("Train", "Val") for c in ("Angry", "Sad") for n in (1, 2)]
    root = pictures(tmp_path, [*names, "Sad/stray.png"])

    samples = load(root)

    assert samples.part is not None
    assert sorted(samples.part.tolist()) == [-1, 0, 0, 0, 0, 2, 2, 2, 2]
    assert make_split(samples, ProtocolConfig(split="stratified")).folds
    with pytest.raises(
        DataError,
        match=r"protocol.split: official, but 1 of 9 samples belong to no official part: Sad/stray.png. Move them into "
        r"the folder of a part, remove them, or name their part in a data.manifest; or use protocol.split: person.",
    ):
        make_split(samples, ProtocolConfig(split="official"))


def test_numeric_folders_need_names_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    root = pictures(tmp_path, [f"{c}/{n}.png" for c in (1, 2, 10) for n in "ab"])

    assert labels(load(root, labels=("Surprise", "Fear", "Sad")))["10/a.png"] == "Sad"
    with pytest.raises(DataError, match=r"has 3 numeric class folders \(1, 2, 10\), but data.labels gives no names"):
        load(root)
    with pytest.raises(DataError, match=r"but data.labels gives 2 names.* as in data.labels: \[name1, name2, name3\]"):
        load(root, labels=("Fear", "Sad"))


def test_folders_named_by_signs_that_are_no_decimal_number_are_classes(tmp_path: Path) -> None:
    root = pictures(tmp_path, [f"{c}/{n}.png" for c in ("²", "³") for n in "ab"])

    assert load(root).class_names == ("²", "³")


def test_links_to_nothing_and_formats_that_are_not_read_are_told(tmp_path: Path) -> None:
    root = pictures(tmp_path, [f"{c}/{n}.png" for c in ("fear", "happy") for n in "ab"])
    (root / "fear" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (root / "happy" / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")

    (warning,) = (w for w in load(root).warnings if w.startswith("Left out: 2 files without a readable picture: "))

    assert "fear/gone.png (cannot be read: No such file or directory)" in warning
    assert "happy/phone.HEIC (of a format that is not read here (heic): save it as PNG or JPEG)" in warning


def test_hidden_files_are_ignored_and_counted(tmp_path: Path) -> None:
    root = pictures(tmp_path, [f"{c}/{n}.png" for c in ("fear", "happy") for n in "ab"])
    pictures(root, ["fear/.ipynb_checkpoints/a-checkpoint.png", "__MACOSX/fear/c.png"])
    (root / "fear" / "._a.png").write_bytes(b"resource fork")
    (root / "fear" / "Thumbs.db").write_bytes(b"thumbnails")
    (root / "fear" / ".DS_Store").write_bytes(b"places of icons")

    samples = load(root, on_bad_file="error")

    assert samples.ids == ("fear/a.png", "fear/b.png", "happy/a.png", "happy/b.png")
    assert "Ignored: 3 hidden files named like a picture, such as __MACOSX/fear/c.png." in samples.warnings


def test_a_folder_below_a_hidden_one_is_not_hidden(tmp_path: Path) -> None:
    root = pictures(tmp_path / ".cache" / "set", [f"{c}/{n}.png" for c in ("fear", "happy") for n in "ab"])

    assert len(load(root)) == 4


def test_pictures_outside_of_class_folders_are_ignored_and_counted(tmp_path: Path) -> None:
    root = pictures(tmp_path, [*[f"{c}/{n}.png" for c in ("smile", "frown") for n in "ab"], "x.png", "Test/y.png"])

    samples = load(root)

    assert len(samples) == 4
    assert samples.warnings[0].startswith("Ignored: 2 pictures in folders that name no expression: ")
    assert "Test (1)" in samples.warnings[0]


def test_folders_that_are_no_expressions_are_classes(tmp_path: Path) -> None:
    assert load(pictures(tmp_path, [f"{c}/{n}.png" for c in ("smile", "frown") for n in "ab"])).class_names == (
        "frown",
        "smile",
    )


def test_bad_files_are_left_out_or_refused_as_asked(tmp_path: Path) -> None:
    root = pictures(tmp_path, [f"{c}/{n}.png" for c in ("fear", "happy") for n in "ab"])
    (root / "fear" / "empty.jpg").touch()
    (root / "happy" / "page.jpg").write_text("<html>")

    samples = load(root)

    assert len(samples) == 4
    assert any("fear/empty.jpg (the file is empty), happy/page.jpg (not a picture)" in w for w in samples.warnings)
    with pytest.raises(
        DataError, match=r"has 2 files without a readable picture: fear/empty.jpg \(the file is empty\)"
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
        "copies of 1 picture under several labels, of which at most one can be right: x.png (Fear) = y.png (Happy)"
        in told
    )
    assert "copies of 1 picture under the same label; all are kept" in told


def test_an_identical_picture_never_stands_on_both_sides(tmp_path: Path) -> None:
    names = ("Ann", "Bo", "Cy", "Di", "Ed", "Flo")
    root = pictures(tmp_path, [f"{c}/{name}_{i}.png" for c in ("fear", "happy") for name in names for i in "12"])
    for c in ("fear", "happy"):
        (root / c / "Di_3.png").write_bytes((root / c / "Ann_1.png").read_bytes())

    samples = load(root)

    assert samples.person_names == ("Ann", "Bo", "Cy", "Ed", "Flo")
    assert samples.person_names[samples.person[samples.ids.index("fear/Di_1.png")]] == "Ann"
    assert any(w.startswith("6 persons count as 5, because some have a picture that is") for w in samples.warnings)


def test_folders_behind_links_count_once_and_a_closed_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures(tmp_path / "elsewhere", [f"{c}/{n}.png" for c in ("fear", "happy") for n in "ab"])
    root = tmp_path / "root"
    root.mkdir()
    (root / "Fear").symlink_to(tmp_path / "elsewhere" / "fear")
    (root / "Happy").symlink_to(tmp_path / "elsewhere" / "happy")
    (root / "Happy" / "loop").symlink_to(root)

    assert load(root).ids == ("Fear/a.png", "Fear/b.png", "Happy/a.png", "Happy/b.png")

    real = os.scandir

    def closed(place: str) -> object:
        if str(place).endswith("Happy"):
            raise PermissionError(13, "Permission denied", place)
        return real(place)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(DataError, match=r"root/Happy cannot be read: Permission denied. Check its permissions."):
        load(root)


def test_paths_that_are_no_folder_of_pictures_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not exist \(looked for "):
        load(tmp_path / "nowhere")
    (tmp_path / "table.csv").touch()
    with pytest.raises(DataError, match=r"is a file, not a folder"):
        load(tmp_path / "table.csv")
    with pytest.raises(DataError, match=r"holds no picture files"):
        load(tmp_path)
    picture(tmp_path / "lonely.png")
    with pytest.raises(DataError, match=r"has 1 picture but no class folders"):
        load(tmp_path)


def test_real_faces_load() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"no faces at {SHARED}")

    samples = load(SHARED)

    assert len(samples) == 381
    assert samples.class_names == EXPRESSIONS
    assert len(samples.person_names) == 226
    assert samples.pictures.pixels(16).shape == (381, 16, 16, 3)
