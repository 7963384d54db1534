"""Feature tables in text files."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_sweep.data import Samples, load_samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import CsvData

TABLE = "name,who,label,f1,f2\na,p,sad,1,2\nb,p,happy,3,4\nc,q,sad,5,6\nd,q,happy,7,8\n"
NAMED: dict[str, Any] = {"person": "who", "id": "name"}


def load(tmp_path: Path, text: str | bytes, **options: Any) -> Samples:
    path = tmp_path / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_samples(CsvData(source="csv", path=str(path), **options))


def labelled(*labels: str) -> str:
    """A table with two rows of each label."""
    return "label,f\n" + "".join(f"{label},1\n{label},2\n" for label in labels)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_table_is_read_whatever_its_delimiter_mark_and_line_ends(
    tmp_path: Path, delimiter: str, mark: bytes, ending: str
) -> None:
    text = TABLE.replace(",", delimiter).replace("\n", ending)
    samples = load(tmp_path, mark + text.encode(), **NAMED)
    np.testing.assert_array_equal(samples.features, [[1, 2], [3, 4], [5, 6], [7, 8]])
    assert samples.class_names == ("Happy", "Sad")
    assert samples.y.tolist() == [1, 0, 1, 0]
    assert samples.ids == ("a", "b", "c", "d")
    assert samples.person_names == ("p", "q")
    assert samples.person.tolist() == [0, 0, 1, 1]
    assert samples.warnings == ()


def test_without_person_every_row_is_its_own_and_a_warning_says_so(tmp_path: Path) -> None:
    samples = load(tmp_path, "label,f\nx,1\n\ny,2\nx,3\ny,4\n")
    assert samples.ids == ("row-2", "row-4", "row-5", "row-6")
    assert len(set(samples.person.tolist())) == 4
    assert any("split: person guarantees nothing" in w for w in samples.warnings)


def test_named_features_are_taken_in_their_order_and_others_ignored(tmp_path: Path) -> None:
    samples = load(tmp_path, TABLE.replace("4", "four"), features=["f1"], **NAMED)
    assert samples.features[:, 0].tolist() == [1, 3, 5, 7]
    assert load(tmp_path, TABLE, features=["f2", "f1"], **NAMED).features[0].tolist() == [2, 1]


def test_features_named_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.features: f1 is named more than once\. Name each column once\."):
        load(tmp_path, TABLE, features=["f1", "f2", "f1"], **NAMED)


def test_quoted_cells_may_hold_delimiters_quotes_and_line_breaks(tmp_path: Path) -> None:
    text = 'id,"label","a,b"\n"x,""1""\n",k,1\ny,k," 2 "\nz,m,3\nw,m,4\n'
    samples = load(tmp_path, text, id="id")
    assert samples.ids[0] == 'x,"1"'
    assert samples.features[:, 0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (
            ("surprised", "NEUTRALITY", "joy", "Anger", "disgusted", "afraid", "sadness"),
            ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"),
        ),
        (("happy", "Happiness", "fearful"), ("Fear", "Happy")),
        (("contempt", "Happy", "sad"), ("Happy", "contempt", "sad")),
        (("10", "2", "-1"), ("-1", "2", "10")),
        (("1.0", "1", "2"), ("1", "2")),
        (("1", "2", "x"), ("1", "2", "x")),
    ],
)
def test_class_order(tmp_path: Path, labels: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert load(tmp_path, labelled(*labels)).class_names == names


@pytest.mark.parametrize("marker", ["", "NA", "nan", " NaN "])
def test_missing_values_follow_the_rule(tmp_path: Path, marker: str) -> None:
    text = TABLE + f"e,q,sad,{marker},9\n"
    dropped = load(tmp_path, text, **NAMED)
    assert dropped.ids == ("a", "b", "c", "d")
    assert dropped.warnings == ("Dropped for missing feature values: row 6 (e): f1.",)
    imputed = load(tmp_path, text, missing="impute", **NAMED)
    assert imputed.features[4].tolist() == [0, 9]
    assert imputed.warnings == ("Missing values set to 0 in row 6 (e): f1.",)
    with pytest.raises(DataError, match=r"Missing feature values in row 6 \(e\): f1"):
        load(tmp_path, text, missing="error", **NAMED)


def test_extreme_value_is_warned_of(tmp_path: Path) -> None:
    text = "label,f\n" + "".join(f"{'ab'[i % 2]},{i % 5}\n" for i in range(500)) + "a,1e6\n"
    assert any("row 502, column f: 1e+06 lies 22 standard" in w for w in load(tmp_path, text).warnings)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, r"is empty\. A header row"),
        ("\n , \n", {}, r"is empty\. A header row"),
        ("label,f\n", {}, r"has a header but no rows"),
        ("labels,f\nx,1\n", {}, r"data\.label: no column 'label'\. Did you mean labels\? The columns are: labels, f"),
        (TABLE, {"person": "zzz"}, r"data\.person: no column 'zzz'\. The columns are"),
        (TABLE, {"features": ["f1", "f3"]}, r"data\.features: no column 'f3'\. Did you mean f"),
        (TABLE, {"features": ["f1", "label"]}, r"data\.features: label is the label, person or id column"),
        (TABLE, {"id": "name"}, r"Row 2, column who: 'p' is not a number"),
        (TABLE.replace("4", "4,5"), NAMED, r"Row 3 has 6 cells, but the header has 5 \(delimiter ','\)"),
        (TABLE.replace("6", "inf"), NAMED, r"Row 4, column f2: 'inf' is not finite"),
        (TABLE.replace("b,", "a,"), NAMED, r"Row 3, column name: 'a' already names row 2"),
        (TABLE.replace("c,q,sad", "c,q,"), NAMED, r"Row 4, column label: empty, but data\.label needs a value"),
        (TABLE.replace("c,q", "c,"), NAMED, r"Row 4, column who: empty, but data\.person needs"),
        (TABLE.replace("f2", "f1"), NAMED, r"header names column f1 more than once"),
        (",label,f\n0,x,1\n", {}, r"Column 1 of the header has no name"),
        ("label\nx\ny\n", {}, r"No feature columns are left"),
        (labelled("x"), {}, r"All 2 samples have the label x"),
        (labelled("x", "y") + "z,3\n", {}, r"Class z has a single sample"),
        ('label,f\nx,"1\n', {}, r"cannot be read as a table: unexpected end of data"),
        (b"label,f\nx,1\n\xe9,2\n", {}, r"is not UTF-8: byte 0xe9 in row 3"),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, text: str | bytes, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, text, **options)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    x=st.lists(st.tuples(*[st.floats(width=32, allow_nan=False, allow_infinity=False)] * 3), min_size=4, max_size=12),
    ids=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"))).filter(
            lambda s: s.lower() not in ("", "na", "nan", "n/a", "#n/a")
        ),
        min_size=12,
        max_size=12,
        unique=True,
    ),
    delimiter=st.sampled_from([",", ";", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_is_written_is_read_back(
    tmp_path: Path, x: list[tuple[float, ...]], ids: list[str], delimiter: str, quoting: Any
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting)
    writer.writerow(["id", "label", "who", "f1", "f2", "f3"])
    for i, values in enumerate(x):
        writer.writerow([ids[i], "ab"[i % 2], f"p{i % 3}", *map(repr, values)])
    samples = load(tmp_path, out.getvalue(), id="id", person="who")
    np.testing.assert_array_equal(samples.features, np.array(x, dtype=np.float32))
    assert samples.ids == tuple(ids[: len(x)])
    assert samples.y.tolist() == [i % 2 for i in range(len(x))]
    assert samples.person.tolist() == [i % 3 for i in range(len(x))]
