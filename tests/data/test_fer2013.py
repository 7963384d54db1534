"""`source: fer2013`: rows to pictures, names to classes, Usage to parts."""

from pathlib import Path

import numpy as np
import pytest

from fer_sweep.data import load_samples, make_split
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


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"7,{PIXELS},Training", "Row 2, column emotion: '7' is not one of 0 Angry"),
        (f"1,{PIXELS},Dev", "Row 2, column Usage: 'Dev' is not one of Training, PublicTest, PrivateTest"),
        ("1,1 2 3,Training", "Row 2, column pixels: expected 2304 whole numbers from 0 to 255, found 3 values"),
        (f"1,{PIXELS[:-1]}x,Training", "Row 2, column pixels: expected 2304 whole numbers"),
        (f"1,-{PIXELS[:-3]}999,Training", "Row 2, column pixels: expected 2304 whole numbers"),
    ],
)
def test_wrong_cells_are_named(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_samples(written(tmp_path / "fer.csv", [row]))


def test_another_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no column pixels. FER-2013 has the columns"):
        load_samples(written(tmp_path / "t.csv", ["1,2"], header="emotion,x"))
    with pytest.raises(DataError, match=r"has no rows below its header"):
        load_samples(written(tmp_path / "t.csv", []))
