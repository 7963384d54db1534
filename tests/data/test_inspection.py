"""What `inspect` says of a folder or file: every mode of picture, sizes, duplicates, persons, parts, faces."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fer_sweep.data import load_samples
from fer_sweep.data.inspection import ClassFacts, Inspection, inspect, source_of
from fer_sweep.data.synthetic_faces import write_faces
from fer_sweep.errors import DataError, SpecError
from fer_sweep.spec.data import Fer2013Data, FolderData, SyntheticFaces
from tests.data.picture_folders import picture, pictures

MODES = {"1": "png", "L": "png", "P": "gif", "LA": "png", "RGB": "bmp", "RGBA": "webp", "CMYK": "jpg", "I;16": "tiff"}


def inspected(root: Path, *, faces: bool = False, **settings: Any) -> Inspection:
    return inspect(FolderData(source="folder", path=str(root), **settings), None, faces=faces)[0]


def blank(path: Path, width: int, height: int, *, mode: str = "L", shade: int = 99, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (width, height), shade).convert(mode).save(path, **options)


def test_pictures_of_every_mode_are_counted(tmp_path: Path) -> None:
    for label in ("fear", "happy"):
        for number, (mode, suffix) in enumerate(MODES.items()):
            blank(tmp_path / label / f"{number}.{suffix}", 8 + number, 9, mode=mode, shade=len(label) * 20)

    found = inspected(tmp_path)

    assert found.unreadable == ()
    assert found.layout == "a folder per expression"
    assert found.pictures == 16
    assert found.classes == (ClassFacts("Fear", 8, 8, ()), ClassFacts("Happy", 8, 8, ()))
    assert found.without_face is None
    assert found.faces is None


def test_sizes_are_ordered_by_area_and_those_of_upright_pictures(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    for label in ("fear", "happy"):
        blank(tmp_path / label / "wide.png", 30, 2)
        blank(tmp_path / label / "middle.png", 10, 11)
        blank(tmp_path / label / "turned.jpg", 40, 20, exif=turned)

    assert inspected(tmp_path).sizes == ((30, 2), (10, 11), (20, 40))


def test_duplicates_are_told_by_whether_their_labels_agree(tmp_path: Path) -> None:
    root = pictures(tmp_path, [f"{c}/{n}.png" for c in ("fear", "happy") for n in "ab"])
    for name, seed in (("fear/u.png", 1), ("fear/v.png", 1), ("fear/x.png", 2), ("happy/y.png", 2)):
        picture(root / name, seed=seed)

    warnings = inspected(root).warnings

    assert warnings[-2:] == (
        "There are copies of 1 picture under several labels, of which at most one can be right: x.png (Fear) = y.png "
        "(Happy).",
        "There are copies of 1 picture under the same label; all are kept.",
    )


def test_unreadable_files_are_told_once(tmp_path: Path) -> None:
    root = pictures(tmp_path, [f"{c}/{n}.png" for c in ("fear", "happy") for n in "ab"])
    (root / "fear" / "page.jpg").write_text("<html>")

    found = inspected(root)

    assert found.unreadable == (("fear/page.jpg", "not a picture"),)
    assert found.pictures == 4
    assert not any("page.jpg" in warning for warning in found.warnings)
    assert any("page.jpg (not a picture)" in w for w in load_samples(source_of(root)).warnings)
    with pytest.raises(DataError, match=r"has 1 file without a readable picture"):
        inspected(root, on_bad_file="error")


def test_persons_and_official_parts_are_counted_by_class(tmp_path: Path) -> None:
    names = [f"Train/Sad/{who}-{n}.png" for who in "ab" for n in (1, 2)] + ["Val/Sad/c-1.png", "Test/Angry/d-1.png"]

    found = inspected(pictures(tmp_path, names), person=r"(?P<person>\w)-\d")

    assert found.persons == 4
    assert found.classes == (ClassFacts("Angry", 1, 1, (0, 0, 1)), ClassFacts("Sad", 5, 3, (4, 1, 0)))


def test_faces_are_counted_when_asked_for(tmp_path: Path) -> None:
    drawn = load_samples(SyntheticFaces(source="synthetic_faces", samples=28, persons=4, size=96))
    write_faces(drawn, tmp_path / "faces")
    blank(tmp_path / "faces" / "Sad" / "grey.png", 96, 96)

    found, samples = inspect(FolderData(source="folder", path=str(tmp_path / "faces")), None, faces=True)

    assert found.pictures == len(samples) == 29
    assert found.without_face is not None
    assert found.faces == 29 - len(found.without_face) > 14
    assert "Sad/grey.png" in found.without_face


def test_fer2013_has_its_own_layout(tmp_path: Path) -> None:
    file = tmp_path / "fer.csv"
    rows = [f"{e},{' '.join([str(i)] * 2304)},Training" for i, e in enumerate((3, 3, 4, 4))]
    file.write_text("\n".join(["emotion,pixels,Usage", *rows]))

    found, _ = inspect(Fer2013Data(source="fer2013", path=str(file)), None, faces=False)

    assert found.layout == "FER-2013"
    assert found.sizes == ((48, 48),) * 3
    assert found.classes == (ClassFacts("Happy", 2, 2, (2, 0, 0)), ClassFacts("Sad", 2, 2, (2, 0, 0)))
    assert "No row has the emotion 0 (Angry), 1 (Disgust)" in found.warnings[1]


def test_a_csv_file_is_taken_for_fer2013_and_anything_else_for_a_folder() -> None:
    assert source_of(Path("a/fer.CSV")) == Fer2013Data(source="fer2013", path="a/fer.CSV")
    assert source_of(Path("a/set"), person="(?P<person>x)", labels=("Sad",)) == FolderData(
        source="folder", path="a/set", person="(?P<person>x)", labels=("Sad",)
    )


@pytest.mark.parametrize(
    "given", [{"person": "(?P<person>x)"}, {"labels": ("Sad",)}, {"manifest": Path("list.csv")}], ids=str
)
def test_options_of_folders_are_refused_for_a_file(given: dict[str, Any]) -> None:
    (option,) = [f"--{name}" for name in given]

    with pytest.raises(SpecError, match=f"{option}: fer.csv is taken for FER-2013's file.* Leave {option} out, or"):
        source_of(Path("fer.csv"), **given)


def test_what_cannot_be_loaded_cannot_be_inspected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no picture files"):
        inspected(tmp_path)
