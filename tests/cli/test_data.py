"""fer-sweep data: what a user sees of a folder, of drawn faces and of the cache."""

import errno
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from fer_sweep.cli.app import app
from fer_sweep.data.contact_sheet import GAP, SIDE
from fer_sweep.errors import DataError, FerSweepError
from tests.cli.test_run import failing


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "faces"
    done = invoke("synthesize", str(folder), "--n", "28", "--persons", "4", "--wrong-labels", "0.25")
    assert done.exit_code == 0
    assert f"28 faces of 4 persons are in {folder}" in done.stdout
    return folder


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["data", *arguments])


def error_of(*arguments: str) -> str:
    error = invoke(*arguments).exception
    assert isinstance(error, FerSweepError)
    assert error.exit_code == 2
    return str(error)


def as_json(*arguments: str) -> Any:
    done = invoke(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_folder_is_told_with_classes_persons_sizes_and_how_to_use_it(faces: Path, tmp_path: Path) -> None:
    told = invoke("inspect", str(faces), "--home", str(tmp_path)).stdout

    assert "layout: a folder per expression; 28 pictures of 4 persons" in told
    assert "sizes: 96 x 96 to 96 x 96 pixels" in told
    assert "faces: one was found in " in told
    assert f'data: {{source: "folder", path: "{faces}"}}' in told


def test_bad_files_and_official_parts_are_told(faces: Path, tmp_path: Path) -> None:
    for part in ("Train", "Val"):
        for name in ("Happy", "Sad"):
            for file in sorted((faces / name).iterdir()):
                place = tmp_path / "set" / part / name / file.name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(file.read_bytes())
    for n in range(12):
        (tmp_path / "set" / "Train" / "Sad" / f"bad_{n}.png").write_text("no picture")

    told = invoke("inspect", str(tmp_path / "set"), "--no-faces", "--home", str(tmp_path)).stdout

    assert "divided into official parts" in told
    assert "unreadable: Train/Sad/bad_0.png: not a picture" in told
    assert "and 2 more (--json names all)" in told
    assert "faces:" not in told
    found = as_json("inspect", str(tmp_path / "set"), "--no-faces", "--home", str(tmp_path))
    assert [c["parts"] for c in found["classes"]] == [
        [c["pictures"] // 2, 0, c["pictures"] // 2] for c in found["classes"]
    ]


def test_a_contact_sheet_has_a_row_per_class(faces: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"

    assert as_json("inspect", str(faces), "--sheet", str(sheet), "--home", str(tmp_path))["sheet"] == str(sheet)
    with Image.open(sheet) as image:
        assert image.height == 7 * (SIDE + GAP)


def test_labels_and_persons_can_be_said(faces: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("Happy", "Sad")):
        for file in (faces / name).iterdir():
            place = tmp_path / "set" / str(number) / f"by-{file.name[7]}-{file.name}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())

    options = ["--labels", "joy, sad", "--person", r"by-(?P<person>.)", "--home", str(tmp_path)]
    found = as_json("inspect", str(tmp_path / "set"), "--no-faces", *options)

    assert [c["name"] for c in found["classes"]] == ["Happy", "Sad"]
    assert found["persons"] == 4


def test_a_manifest_can_be_looked_at(faces: Path, tmp_path: Path) -> None:
    listing = tmp_path / "list.csv"
    rows = [f"{name}/{file.name},{name},P{i}" for name in ("Happy", "Sad") for i, file in
            enumerate((faces / name).iterdir())]  # fmt: skip
    listing.write_text("\n".join(["path,label,person", *rows]))

    options = ["--manifest", str(listing), "--no-faces", "--home", str(tmp_path)]
    found = as_json("inspect", str(faces), *options)

    assert (found["layout"], found["pictures"]) == ("a manifest", len(rows))
    told = invoke("inspect", str(faces), *options).stdout
    assert f'data: {{source: "folder", path: "{faces}", manifest: "{listing}"}}' in told


def test_pictures_without_a_found_face_are_named(faces: Path, tmp_path: Path) -> None:
    for name in ("Happy", "Sad"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for n in range(7):
            Image.new("L", (96, 96), 20 * n).save(tmp_path / "set" / name / f"{n}.png")

    found = as_json("inspect", str(tmp_path / "set"), "--home", str(tmp_path))
    told = invoke("inspect", str(tmp_path / "set"), "--home", str(tmp_path)).stdout

    assert (found["faces"], len(found["without_face"])) == (0, 14)
    assert "no face: Happy/0.png" in told
    assert "and 4 more (--json names all)" in told


def test_a_home_that_cannot_be_written_costs_the_memory_and_nothing_else(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").write_text("in the way")

    done = invoke("inspect", str(faces), "--no-faces", "--home", str(tmp_path / "home"))

    assert done.exit_code == 0
    assert "28 pictures of 4 persons" in done.stdout
    assert "cache cannot be written (File exists), so nothing is remembered" in done.stderr.replace("\n", " ")


def test_fer2013_is_told_too(tmp_path: Path) -> None:
    rows = [f"{e},{' '.join(['7'] * 2304)},{u}" for u in ("Training", "PrivateTest") for e in range(7) for _ in "ab"]
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]))

    found = as_json("inspect", str(tmp_path / "fer2013.csv"), "--no-faces", "--home", str(tmp_path))

    assert found["layout"] == "FER-2013"
    assert found["classes"][0]["parts"] == [2, 0, 2]


def test_a_path_that_is_nothing_is_an_error(tmp_path: Path) -> None:
    done = invoke("inspect", str(tmp_path / "nowhere"))

    assert isinstance(done.exception, DataError)
    assert done.exception.exit_code == 2


def test_synthesize_refuses_a_folder_with_something_in_it(faces: Path) -> None:
    done = invoke("synthesize", str(faces))

    assert isinstance(done.exception, DataError)
    assert "is not empty" in str(done.exception)


def test_how_far_synthesize_is_can_be_seen_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100, highlight=False, markup=False)
    monkeypatch.setattr("fer_sweep.cli.data.err", terminal)

    invoke("synthesize", str(tmp_path / "new"), "--n", "28", "--persons", "4", "--size", "32")

    for work in ("drawing faces", "writing faces"):
        assert re.search(rf"{work}.*28/28", screen.getvalue())


def test_the_cache_is_shown_and_cleared(faces: Path, tmp_path: Path) -> None:
    assert "nothing is kept" in invoke("cache", "--home", str(tmp_path)).stdout
    invoke("inspect", str(faces), "--home", str(tmp_path))

    assert [entry["kind"] for entry in as_json("cache", "--home", str(tmp_path))["entries"]] == ["faces", "verdicts"]
    shown = invoke("cache", "--home", str(tmp_path)).stdout
    assert re.search(r"what +arrays +size +last used", shown)
    assert re.search(r"faces +1 +0\.1 MB", shown)
    assert "2 arrays deleted, 0.1 MB freed" in invoke("cache", "--clear", "--home", str(tmp_path)).stdout
    assert as_json("cache", "--home", str(tmp_path))["bytes"] == 0


def test_without_a_sheet_it_is_said_how_to_get_one(faces: Path, tmp_path: Path) -> None:
    told = invoke("inspect", str(faces), "--no-faces", "--home", str(tmp_path)).stdout

    assert "contact sheet: none; --sheet faces-contact-sheet.png writes one" in told


def test_a_sheet_that_cannot_be_written_is_told_before_faces_are_looked_for(faces: Path, tmp_path: Path) -> None:
    def told(sheet: Path) -> str:
        return error_of("inspect", str(faces), "--sheet", str(sheet), "--home", str(tmp_path / "home"))

    (tmp_path / "folder.png").mkdir()

    for wrong in (tmp_path / "sheet.doc", tmp_path / "folder.png"):
        assert told(wrong) == f"--sheet: {wrong} is no name of a PNG file. Give a file that ends in .png."
    missing = f"--sheet: there is no folder {tmp_path / 'no'} to write a.png into. Make it first."
    assert told(tmp_path / "no" / "a.png") == missing
    assert not (tmp_path / "home").exists()


def test_a_sheet_that_fails_while_it_is_written_is_told(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    sheet = tmp_path / "a.png"

    told = error_of("inspect", str(faces), "--no-faces", "--sheet", str(sheet), "--home", str(tmp_path))

    assert told == f"--sheet: {sheet} cannot be written: No space left on device. Name another file."


def test_an_empty_label_and_a_home_that_is_a_file_are_errors(faces: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    home = f"--home: {file} is a file, not a folder. Name a folder, new or of earlier studies."

    told = error_of("inspect", str(faces), "--labels", "joy,,sad", "--home", str(tmp_path))
    assert told == "--labels: 'joy,,sad' has an empty name. Give one name per class, as in Angry,Happy."
    assert error_of("inspect", str(faces), "--home", str(file)) == home
    assert error_of("cache", "--home", str(file)) == home
    assert str(failing("status", "--home", file)) == home


def test_synthesize_needs_a_folder_and_says_so_before_it_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, full = tmp_path / "file", tmp_path / "full"
    file.touch()
    full.mkdir()
    (full / "notes.txt").touch()

    told = error_of("synthesize", str(file / "inside"), "--n", "28", "--persons", "4")
    assert told == f"{file / 'inside'} cannot be written: Not a directory. Name another folder."
    monkeypatch.setattr("fer_sweep.cli.data.draw_faces", lambda _: pytest.fail("it drew"))
    assert error_of("synthesize", str(file)) == f"{file} is a file, not a folder. Name a new folder."
    assert error_of("synthesize", str(full)).startswith(f"{full} is not empty. Name a new folder")
