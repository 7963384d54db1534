"""`source: fer2013`: rows to pictures, names to classes, Usage to parts."""

from pathlib import Path

import numpy as np
import pytest

from fer_sweep.data import fer2013, load_samples, make_split
from fer_sweep.data.cache import Cache
from fer_sweep.data.faces import find_faces
from fer_sweep.errors import DataError
from fer_sweep.spec.data import Fer2013Data
from fer_sweep.spec.trial import ProtocolConfig

PIXELS = " ".join(str(i % 256) for i in range(48 * 48))


def written(path: Path, rows: list[str], header: str = "emotion,pixels,Usage") -> Fer2013Data:
    path.write_text("\n".join([header, *rows]))
    return Fer2013Data(source="fer2013", path=str(path))


def test_numbers_become_expressions_and_usage_becomes_parts(tmp_path: Path) -> None:
    rows = [f"{e},{PIXELS},{u}" for u in ("Training", "PublicTest", "PrivateTest") for e in range(7) for _ in (1, 2)]

    samples = load_samples(written(tmp_path / "fer.csv", rows))

    assert [samples.class_names[c] for c in samples.y[:14:2]] == [
        "Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral",
    ]  # fmt: skip
    assert samples.pictures.whole(0)[0, :3, 0].tolist() == [0, 1, 2]
    assert samples.ids[0] == "row-02"
    assert "names no persons" in samples.warnings[0]
    (fold,) = make_split(samples, ProtocolConfig(split="official")).folds
    assert [len(side) for side in (fold.train, fold.validation, fold.test)] == [14, 14, 14]
    np.testing.assert_array_equal(fold.test, np.arange(28, 42))


def test_copies_of_a_picture_are_one_person(tmp_path: Path) -> None:
    others = [" ".join(str((i + shift) % 256) for i in range(48 * 48)) for shift in range(1, 5)]
    rows = [f"{e},{pixels}," for e, pixels in zip((0, 0, 1, 1, 1, 0), [*others, PIXELS, PIXELS], strict=True)]

    samples = load_samples(written(tmp_path / "fer.csv", [row[:-1] for row in rows], header="emotion,pixels"))

    assert samples.person.tolist() == [0, 1, 2, 3, 4, 4]
    assert "Copies of others: 1 picture." in " ".join(samples.warnings)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"7,{PIXELS},Training", "Row 2, column emotion: '7' is not one of 0 Angry"),
        (f"1,{PIXELS},Dev", "Row 2, column Usage: 'Dev' is not one of Training, PublicTest, PrivateTest"),
        ("1,1 2 3,Training", "Row 2, column pixels: expected 2304 whole numbers from 0 to 255, found 3 values"),
        (f"1,{PIXELS[:-1]}x,Training", "Row 2, column pixels: expected 2304 whole numbers"),
        (f"1,-{PIXELS[:-3]}999,Training", "found 2304 values, one of them '-0'. Correct"),
        (f"1,{PIXELS[:-2]}.5,Training", "Row 2, column pixels: expected 2304 whole numbers"),
        (
            f"1,{PIXELS} 0,Training",
            "expected 2304 whole numbers from 0 to 255, found 2305 values. Correct or remove the row.",
        ),
        (f"1,{PIXELS}", "Row 2, column Usage: '' is not one of"),
        ("\n\n1,,Training", "Row 4, column pixels: expected 2304 whole numbers from 0 to 255, found 0 values"),
        (f'1,"{PIXELS},Training', "t.csv cannot be read as a table: unexpected end of data. Check the quotes."),
    ],
)
def test_wrong_cells_are_named(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_samples(written(tmp_path / "t.csv", [row]))


def rows_of(*emotions: int) -> list[str]:
    return [f"{e},{PIXELS.rsplit(' ', 1)[0]} {e},Training" for e in emotions]


def test_quotes_blank_lines_and_the_order_of_columns_make_no_difference(tmp_path: Path) -> None:
    plain = load_samples(written(tmp_path / "plain.csv", rows_of(0, 0, 3, 3)))
    rows = [",".join(f'"{cell}"' for cell in reversed(row.split(","))) for row in rows_of(0, 0, 3, 3)]
    quoted = load_samples(written(tmp_path / "quoted.csv", ["", *rows, ""], header="Usage, pixels, emotion"))

    assert quoted.fingerprint == plain.fingerprint


def test_an_expression_that_does_not_occur_is_told_and_is_no_class(tmp_path: Path) -> None:
    samples = load_samples(written(tmp_path / "fer.csv", rows_of(6, 0, 2, 3, 4, 5, 6, 0, 2, 3, 4, 5)))

    assert samples.class_names == ("Angry", "Fear", "Happy", "Neutral", "Sad", "Surprise")
    assert samples.y[:6].tolist() == [3, 0, 1, 2, 4, 5]
    assert samples.warnings[1] == (
        "No row has the emotion 1 (Disgust), so there are 6 classes, not 7. If that is not intended, "
        f"{tmp_path / 'fer.csv'} is not the whole FER-2013."
    )
    with pytest.raises(DataError, match=r"All 2 samples have the label Happy"):
        load_samples(written(tmp_path / "fer.csv", rows_of(3, 3)))


def test_the_text_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, cache = written(tmp_path / "fer.csv", rows_of(0, 0, 3, 3)), Cache(tmp_path / "cache")
    first = load_samples(config, cache)
    monkeypatch.setattr(fer2013, "_parsed", None)

    assert load_samples(config, cache).fingerprint == first.fingerprint
    np.testing.assert_array_equal(first.pictures.pixels(48, grey=True)[0].ravel()[:3], [0, 1, 2])
    assert not find_faces(first.pictures)[:, 0].any()


def test_another_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no column pixels. FER-2013 has the columns"):
        load_samples(written(tmp_path / "t.csv", ["1,2"], header="emotion,x"))
    with pytest.raises(DataError, match=r"has no rows below its header. Give the whole file"):
        load_samples(written(tmp_path / "t.csv", []))
