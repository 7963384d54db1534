"""`data.manifest`: what a good one says, and every mistake in a bad one."""

import re
from pathlib import Path

import pytest

from fer_sweep.errors import DataError
from tests.data.picture_folders import labels, load, persons, pictures


def test_a_manifest_replaces_what_names_say(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", [f"{n}.png" for n in "abcd"])
    manifest = tmp_path / "m.csv"
    rows = ["a.png,joy,x,train", "b.png,sad,x,train", "", "c.png,joy,y,Val", "d.png,sad,,"]
    manifest.write_text("\n".join(["path,label,person,part", *rows]), encoding="utf-8-sig")

    samples = load(root, manifest=str(manifest))

    assert labels(samples)["a.png"] == "Happy"
    assert persons(samples) == ["x", "x", "y", "(d.png)"]
    assert samples.part is not None
    assert samples.part.tolist() == [0, 0, 2, -1]  # without a test part the validation part is what people test on


COLUMNS = "Columns, separated by commas: path and label, and if known person and part (train, validation, test)."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,emotion\na.png,joy\n", f"has no column label; its first row names 'path', 'emotion'. {COLUMNS}"),
        ("path;label\na.png;joy\n", f"has no column path; its first row names 'path;label'. {COLUMNS}"),
        ("", f"m.csv is empty. {COLUMNS}"),
        ("path,label\n\n,\n", "lists no pictures below its header. Give one row per picture."),
        ("path,label,label\na.png,joy,joy\n", "has the column label more than once. Keep one of them."),
        (
            "path,label\n\na.png,joy,x\n",
            "row 3 has 3 cells, but the header has 2. Complete it, or quote cells that contain a comma.",
        ),
        (
            "path,label\na.png,\n",
            "row 2, column label: empty, but every picture needs one. Fill it in, or remove the row (a.png).",
        ),
        ("label,path\njoy,\n", "row 2, column path: empty, but every picture needs one."),
        (
            "path,label,part\na.png,joy,dev\n",
            "row 2, column part: 'dev' is not one of train, validation (or val), test, or empty.",
        ),
        ("path,label\na.png,joy\nz.png,joy\n", "row 3, column path: 'z.png' is no file in"),
        ("path,label\n../m.csv,joy\n", "row 2, column path: '../m.csv' is no path below data.path"),
        ("path,label\n/a.png,joy\n", "row 2, column path: '/a.png' is no path below data.path"),
        (
            "path,label\na.png,joy\nb.png,joy\n./a.png,sad\n",
            "row 4, column path: 'a.png' is already in row 2. Keep one of the two rows.",
        ),
        ('path,label\n"a.png,joy\n', "cannot be read as a table: unexpected end of data. Check the quotes."),
    ],
)
def test_mistakes_in_a_manifest_are_named(tmp_path: Path, content: str, message: str) -> None:
    root = pictures(tmp_path / "p", ["a.png", "b.png"])
    (tmp_path / "m.csv").write_text(content)

    with pytest.raises(DataError, match=r"^data\.manifest: .*" + re.escape(message)):
        load(root, manifest=str(tmp_path / "m.csv"))


def test_a_manifest_that_cannot_be_read_is_named_as_such(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", ["a.png"])

    with pytest.raises(DataError, match=r"data.manifest: .*none.csv does not exist \(looked for "):
        load(root, manifest=str(tmp_path / "none.csv"))
    with pytest.raises(DataError, match=r"data.manifest: .* is a directory. Name the file in it."):
        load(root, manifest=str(root))
    (tmp_path / "m.csv").write_bytes(b"path,label\na.png,fr\xf6hlich\n")
    with pytest.raises(DataError, match=r"data.manifest: .*m.csv is not UTF-8: byte 0xf6 in row 2. Save it as UTF-8."):
        load(root, manifest=str(tmp_path / "m.csv"))
