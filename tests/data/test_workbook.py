"""The SFEW workbook: what the real one contains, and what a wrong one is told."""

import io
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import openpyxl
import pytest

from fer_sweep.data import Samples, load_samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import WorkbookData

Row = list[object]
WriteWorkbook = Callable[..., str]


def load(path: str, missing: Literal["drop", "impute", "error"] = "drop") -> Samples:
    return load_samples(WorkbookData(source="workbook", path=path, missing=missing))


def rows(count: int = 28) -> list[Row]:
    return [
        [f"Film{'ABCDEFG'[i // 4 % 7]}_{i:09d}_{i:08d}.mat", i % 7 + 1, *[0.001 * (i + j) for j in range(10)]]
        for i in range(count)
    ]


def with_cell(row: int, column: int, value: object) -> list[Row]:
    changed = rows()
    changed[row - 2][column] = value
    return changed


def test_real_workbook_has_the_known_pictures_classes_and_films(sfew_path: str) -> None:
    samples = load(sfew_path, missing="impute")
    assert len(samples) == 675
    assert samples.features.shape == (675, 10)
    assert samples.class_names == ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
    assert np.bincount(samples.y).tolist() == [100, 75, 100, 100, 100, 100, 100]
    images = Counter(samples.person_names[p] for p in samples.person)
    assert len(images) == 50
    assert images["HarryPotter"] == 91
    assert images["Oceans"] == 46
    assert images["21"] == 13
    assert images["50_50"] == 2


def test_real_workbook_drops_its_incomplete_row_by_default(sfew: Samples) -> None:
    assert len(sfew) == 674
    assert np.bincount(sfew.y).tolist() == [100, 75, 99, 100, 100, 100, 100]
    assert any("row 207 (Hangover_001949614_00000089)" in w and "PHOG1" in w for w in sfew.warnings)
    assert "Hangover_001949614_00000089" not in sfew.ids


def test_real_workbook_imputed_row_is_zero_and_its_extreme_value_warned_of(sfew_path: str) -> None:
    samples = load(sfew_path, missing="impute")
    row = samples.features[samples.ids.index("Hangover_001949614_00000089")]
    assert row[0] == pytest.approx(0.99401)
    assert not row[5:].any()
    assert any("row 207" in w and "C (LPQ1)" in w and "25 standard deviations" in w for w in samples.warnings)
    with pytest.raises(DataError, match=r"Missing feature values in row 207 .*data\.missing: drop or impute"):
        load(sfew_path, missing="error")


def test_real_workbook_irregular_names_belong_to_their_films(sfew: Samples) -> None:
    for name, film in [
        ("OceansThirteen-010619400_00000087", "Oceans"),
        ("IAmSam_013827920__00000055", "IAmSam"),
        ("IAmSam_013827920__00000101", "IAmSam"),
    ]:
        assert sfew.person_names[sfew.person[sfew.ids.index(name)]] == film


def test_real_workbook_picture_with_two_labels_is_kept_twice_in_one_group(sfew: Samples) -> None:
    name = "HarryPotter_Deathly_Hallows_1_001610960_00000028"
    fear, surprise = sfew.ids.index(f"{name}#Fear"), sfew.ids.index(f"{name}#Surprise")
    assert sfew.person[fear] == sfew.person[surprise]
    assert len(set(sfew.ids)) == len(sfew)
    assert any(w.startswith(name) and "Fear in row 214, Surprise in row 612" in w for w in sfew.warnings)


def test_small_workbook_is_read_as_written(write_workbook: WriteWorkbook) -> None:
    samples = load(write_workbook(rows()))
    assert samples.ids[1] == "FilmA_000000001_00000001"
    assert samples.person_names == tuple(f"Film{c}" for c in "ABCDEFG")
    np.testing.assert_array_equal(samples.person, np.repeat(np.arange(7), 4))
    np.testing.assert_array_equal(samples.y, np.arange(28) % 7)
    np.testing.assert_allclose(samples.features[3], 0.001 * np.arange(3, 13), rtol=1e-6)
    assert samples.warnings == ()


def test_classes_that_do_not_occur_are_left_out(write_workbook: WriteWorkbook) -> None:
    samples = load(write_workbook([row for row in rows() if row[1] in (2, 4)]))
    assert samples.class_names == ("Disgust", "Happy")
    assert sorted(set(samples.y.tolist())) == [0, 1]


def test_blank_rows_are_skipped_and_excel_floats_are_labels(write_workbook: WriteWorkbook) -> None:
    table = with_cell(5, 1, 4.0)
    table.insert(3, [None] * 12)
    table.append([None] * 12)
    assert len(load(write_workbook(table))) == 28


@pytest.mark.parametrize("marker", [None, "NaN", "", "NA", "#N/A"])
def test_every_marker_of_a_missing_value_is_known(write_workbook: WriteWorkbook, marker: object) -> None:
    samples = load(write_workbook(with_cell(9, 4, marker)))
    assert len(samples) == 27
    assert samples.warnings == ("Dropped for missing feature values: row 9 (FilmB_000000007_00000007): E (LPQ3).",)


def test_many_incomplete_rows_give_one_short_warning(write_workbook: WriteWorkbook) -> None:
    table = rows()
    for row in table[:8]:
        row[5] = None
    (warning,) = load(write_workbook(table), missing="impute").warnings
    assert warning.startswith("Missing values set to 0 in row 2 ")
    assert warning.endswith("and 3 more.")


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (4, 1, 8, r"Row 4, column B: label 8 is not one of 1 Angry, 2 Disgust"),
        (4, 1, 2.5, r"Row 4, column B: label 2\.5 is not"),
        (4, 1, "3", r"Row 4, column B: label '3' is not"),
        (4, 1, True, r"Row 4, column B: label True is not"),
        (4, 1, None, r"Row 4, column B: label None is not"),
        (6, 2, "high", r"Row 6, column C \(LPQ1\): 'high' is not a number"),
        (6, 7, True, r"Row 6, column H \(PHOG1\): True is not a number"),
        (6, 11, "inf", r"Row 6, column L \(PHOG5\): 'inf' is not finite"),
        (6, 11, 1e39, r"Row 6, column L \(PHOG5\): 1e\+39 is not finite"),
        (7, 0, "portrait.mat", r"Row 7, column A: 'portrait\.mat' is not an SFEW file name"),
        (7, 0, None, r"Row 7, column A: None is not an SFEW file name"),
        (7, 0, 50, r"Row 7, column A: 50 is not an SFEW file name"),
    ],
)
def test_a_bad_cell_is_named_by_row_and_column(
    write_workbook: WriteWorkbook, row: int, column: int, value: object, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(write_workbook(with_cell(row, column, value)))


def test_a_picture_under_two_labels_is_kept_under_both(write_workbook: WriteWorkbook) -> None:
    samples = load(write_workbook(with_cell(9, 0, "FilmB_000000004_00000004.mat")))
    assert [name for name in samples.ids if "#" in name] == [
        "FilmB_000000004_00000004#Neutral",
        "FilmB_000000004_00000004#Angry",
    ]
    assert samples.warnings == (
        "FilmB_000000004_00000004 occurs under several labels (Neutral in row 6, Angry in row 9); "
        "all are kept, at most one can be right.",
    )


def test_a_picture_given_twice_with_one_label_is_refused(write_workbook: WriteWorkbook) -> None:
    table = rows()
    table.append(list(table[3]))
    with pytest.raises(DataError, match=r"Rows 5, 30, column A: FilmA_000000003_00000003 occurs twice"):
        load(write_workbook(table))


def test_a_workbook_without_complete_rows_is_refused(write_workbook: WriteWorkbook) -> None:
    table = [[*row[:11], "NaN"] for row in rows()]
    with pytest.raises(DataError, match=r"Every row has missing feature values"):
        load(write_workbook(table))


@pytest.mark.parametrize(
    ("table", "with_header", "message"),
    [
        ([], False, r"first sheet is empty"),
        ([], True, r"no data rows"),
        ([["a", 1], ["b", 2]], False, r"has 2 columns, not 12\. Expected on the first sheet"),
        ([[*row, 1] for row in rows()], True, r"has 13 columns, not 12"),
        (rows(), False, r"Row 1, column B: the header is 1, without `label`"),
        ([[None, "label", *range(10)], *rows()], False, r"Row 1, column C: the header is 0, without `LPQ`"),
    ],
)
def test_another_layout_is_refused_with_the_expected_one(
    write_workbook: WriteWorkbook, table: list[Row], with_header: bool, message: str
) -> None:
    path = write_workbook(table) if with_header else write_workbook(table, header=None)
    with pytest.raises(DataError, match=message):
        load(path)


def test_columns_that_are_only_formatted_do_not_count(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [[None, "label", "LPQ", *[None] * 4, "PHOG", *[None] * 4], *rows()]:
        book.active.append(row)
    book.active["P40"].number_format = "0.00"
    book.save(tmp_path / "formatted.xlsx")
    assert len(load(str(tmp_path / "formatted.xlsx"))) == 28


def test_a_path_without_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.path: .*absent\.xlsx does not exist"):
        load(str(tmp_path / "absent.xlsx"))
    with pytest.raises(DataError, match=r"is a directory\. Name the file in it"):
        load(str(tmp_path))
    with pytest.raises(DataError, match=r"cannot be read"):
        load(str(tmp_path / ("x" * 300)))


def test_a_file_that_is_no_workbook_is_refused(tmp_path: Path, write_workbook: WriteWorkbook) -> None:
    path = tmp_path / "text.xlsx"
    archive, letter = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as other:
        other.writestr("readme.txt", "a zip file, but no workbook")
    with zipfile.ZipFile(letter, "w") as other:
        other.writestr(
            "[Content_Types].xml", '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
        )
    whole = Path(write_workbook(rows())).read_bytes()
    for content in (b"", b"a,b\n1,2\n", archive.getvalue(), letter.getvalue(), whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"is not an Excel workbook"):
            load(str(path))


def test_openpyxl_remarks_do_not_reach_the_user(sfew_path: str, recwarn: pytest.WarningsRecorder) -> None:
    load(sfew_path)
    assert not recwarn.list


def test_formulas_count_as_their_stored_value(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [[None, "label", "LPQ", *[None] * 4, "PHOG", *[None] * 4], *rows()]:
        book.active.append(row)
    book.active["C2"] = "=1+1"  # never calculated, so without a stored value
    book.save(tmp_path / "formula.xlsx")
    assert any("row 2" in w for w in load(str(tmp_path / "formula.xlsx")).warnings)
