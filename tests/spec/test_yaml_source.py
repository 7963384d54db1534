"""Reading the file: YAML 1.2 scalars, environment variables, and files that are no sweep files."""

from pathlib import Path

import pytest

from fer_sweep.errors import SpecError
from fer_sweep.spec import load_sweep
from fer_sweep.spec.scalars import resolve_plain
from fer_sweep.spec.source import read_text
from tests.spec.sweep_files import load_text, problems_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("+12", 12),
        ("010", 10),
        ("0o10", 8),
        ("0xff", 255),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("1_000", "1_000"),
        ("2020-01-01", "2020-01-01"),
        ("12:30", "12:30"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    resolved = resolve_plain(text)
    assert resolved == value
    assert type(resolved) is type(value)


def test_nan_is_a_number() -> None:
    assert resolve_plain(".nan") != resolve_plain(".nan")


def test_quoted_and_block_scalars_are_text() -> None:
    assert load_text("description: '1e-3'\n").description == "1e-3"
    assert load_text("description: |\n  true\n").description == "true\n"


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: a\r\ndata: {source: csv, path: f}\r\n")
    assert load_sweep(path).name == "a"


def test_set_variables_and_defaults_are_filled_in() -> None:
    environ = {"ROOT": "/data", "EPOCHS": "50"}
    spec = load_text("description: '${ROOT}/x ${NONE:-y} ${ROOT:-z} $$5 $x'\ntrain: {epochs: 7}\n", environ=environ)
    assert spec.description == "/data/x y /data $5 $x"


def test_an_unquoted_variable_is_read_as_yaml_but_a_quoted_one_is_text() -> None:
    environ = {"EPOCHS": "50"}
    assert load_text("train:\n  epochs: ${EPOCHS}\n", environ=environ).train.epochs == 50
    assert load_text("description: '${EPOCHS}'\n", environ=environ).description == "50"


def test_keys_are_not_filled_in() -> None:
    [problem] = problems_of("${NAME}: 1\n", environ={"NAME": "description"})
    assert "${NAME}: unknown key" in problem


def test_an_unset_variable_is_named_with_how_to_set_it() -> None:
    [problem] = problems_of("train:\n  epochs: ${EPOCHS}\n")
    assert problem == (
        "s.yaml:4: train.epochs: the environment variable EPOCHS is not set. "
        "Set it (export EPOCHS=...), or give a default: ${EPOCHS:-default}."
    )


@pytest.mark.parametrize("text", ["${1X}", "${A B}", "${", "${OPEN", "${}"])
def test_a_malformed_variable_is_refused(text: str) -> None:
    [problem] = problems_of(f"description: 'a {text}'\n", environ={"OPEN": "1"})
    assert "is not an environment variable. Write ${NAME} or ${NAME:-default}; a literal $ is $$." in problem


def test_a_replacement_is_not_replaced_again() -> None:
    assert load_text("description: '${A}'\n", environ={"A": "${B}"}).description == "${B}"


def test_both_lines_of_a_duplicate_key_are_named() -> None:
    [problem] = problems_of("train:\n  epochs: 5\n  momentum: 0.1\n  epochs: 6\n")
    assert problem == "s.yaml:6: train.epochs: the key is written twice; the first is on line 4. Keep one of them."


@pytest.mark.parametrize(
    ("text", "start", "fragment"),
    [
        ("train:\n\tepochs: 5\n", "s.yaml:4: ", "a tab is used for indentation at column 1; YAML allows spaces only"),
        ("train: [1\nseed: 2\n", "s.yaml:4: ", "YAML syntax error at column 5: expected ',' or ']', but got ':'"),
        ("removal: {comparison: @x}\n", "s.yaml:3: ", "text that begins with a special character needs quotes"),
        ("removal:\n  comparison: >=\n", "s.yaml:4: ", "text that begins with a special character needs quotes"),
        ("train: {epochs: ${EPOCHS}}\n", "s.yaml:3: ", 'put quotes around the variable: "${NAME}"'),
        (
            "train: {epochs: ${EPOCHS}}\n",
            "s.yaml:3: ",
            "where a number is wanted, write it outside of {...}",
        ),
        ("train: {epochs: 5\nmethod: grid\n", "s.yaml:4: ", "while parsing a flow mapping that begins in line 3"),
        ("description: \x01\n", "s.yaml: ", "this is not readable as YAML: unacceptable character"),
        ("seed: &a 1\n", "s.yaml:3: ", "anchors and aliases (& and *) are not supported"),
        ("seed: *a\n", "s.yaml:3: ", "anchors and aliases (& and *) are not supported"),
        ("seed: !!int 1\n", "s.yaml:3: ", "tags are not supported (tag:yaml.org,2002:int)"),
        ("? [1]\n: 2\n", "s.yaml:3: ", "a key must be a plain name, not a list or mapping"),
        ("seed: " + "[" * 30 + "]" * 30, "s.yaml:3: ", "nested deeper than 20 levels"),
        ("---\nseed: 1\n", "s.yaml:3: ", "a second document begins here; a sweep file holds one"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_at_its_line(text: str, start: str, fragment: str) -> None:
    [problem] = problems_of(text)
    assert problem.startswith(start)
    assert fragment in problem


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (b"", "the file is empty; a sweep file needs at least name and data"),
        (b"# only a comment\n", "the file is empty"),
        (b"- a\n- b\n", "the file is not a mapping; it must consist of lines like `name: my-sweep`"),
        (b"just text", "the file is not a mapping"),
        (b"name: \xff\n", "byte 6 is not UTF-8 text; save the file as UTF-8"),
    ],
)
def test_a_file_that_is_no_sweep_file_is_refused(tmp_path: Path, content: bytes, fragment: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load_sweep(path)
    assert fragment in str(caught.value)


def test_a_missing_file_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "bdr.yaml").touch()
    with pytest.raises(SpecError) as caught:
        load_sweep(tmp_path / "brd.yaml")
    assert str(caught.value) == f"{tmp_path}/brd.yaml: there is no such file. Did you mean {tmp_path}/bdr.yaml?"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"this is a folder; name a sweep file in it\."):
        load_sweep(tmp_path)


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpecError, match=r"the file cannot be read \(Not a directory\)\."):
        load_sweep(tmp_path / "file" / "s.yaml")


def test_every_key_and_item_has_a_line() -> None:
    document = read_text("a: 1\nb:\n  c:\n  - x\n  - y\n", "s.yaml", {})
    lines = {path: place.line for path, place in document.problems.places.items()}
    assert lines == {(): 1, ("a",): 1, ("b",): 2, ("b", "c"): 3, ("b", "c", "0"): 4, ("b", "c", "1"): 5}
