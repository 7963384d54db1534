"""fer-sweep predict: answers of a logged model, as a person and as a script see them."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from fer_sweep.cli import explanation
from fer_sweep.cli import predict as asking
from fer_sweep.cli.app import app
from fer_sweep.data import Samples, load_samples
from fer_sweep.errors import DataError, FerSweepError, ModelError, TrackingError
from fer_sweep.serving import FittedPipeline, predict
from fer_sweep.study.home import Home
from fer_sweep.tracking.model_artifact import log_fitted
from tests.cli.commands import fer_sweep
from tests.serving.fitted import KINDS, configured, fitted
from tests.tracking.studies import client_of, new_home


@dataclass(frozen=True)
class Models:
    """A store with a model of faces (registered as `fer`, its champion) and one of rows."""

    home: Home
    run_id: str
    faces: FittedPipeline
    pictures: Samples
    rows: FittedPipeline
    table: Samples


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    home = new_home(tmp_path_factory.mktemp("predict"))
    client = client_of(home)
    experiment = client.create_experiment("models", artifact_location=home.artifacts.absolute().as_uri())
    run_id = client.create_run(experiment).info.run_id
    faces, rows = (
        configured({**KINDS["cnn"], "data": {**KINDS["cnn"]["data"], "no_face": "drop"}}),
        configured(KINDS["svm"]),
    )
    pictures, table = load_samples(faces.data), load_samples(rows.data)
    found = Models(home, run_id, fitted(faces, pictures), pictures, fitted(rows, table), table)
    uri = log_fitted(client, run_id, found.faces, pictures, name="faces")
    log_fitted(client, run_id, found.rows, table, name="rows")
    client.create_registered_model("fer")
    location = client.get_logged_model(uri.removeprefix("models:/")).artifact_location
    client.create_model_version("fer", location, run_id=run_id)
    client.set_registered_model_alias("fer", "champion", "1")
    return found


@pytest.fixture
def folder(models: Models, tmp_path: Path) -> Path:
    """Three faces and a file that is no picture."""
    place = tmp_path / "some" / "faces"
    place.mkdir(parents=True)
    for i in range(3):
        (place / f"{i}.png").write_bytes(models.pictures.pictures.png(i, 512))
    (place / "notes.txt").write_text("no picture, and not named like one")
    return place.parent


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def answers(*arguments: object) -> Any:
    done = invoke(*arguments, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


def error_of(*arguments: object) -> FerSweepError:
    error = invoke(*arguments).exception
    assert isinstance(error, FerSweepError)
    return error


def probabilities(found: Any) -> Any:
    return np.array([list(one["probabilities"].values()) for one in found["predictions"]])


def test_a_folder_of_pictures_in_json(models: Models, folder: Path) -> None:
    found = answers("models:/fer@champion", folder, "--home", models.home.root)

    assert [Path(one["input"]).name for one in found["predictions"]] == ["0.png", "1.png", "2.png"]
    assert (found["model"]["name"], found["model"]["version"]) == ("fer", "1")
    expected = predict(models.faces, models.pictures.pictures.select(range(3)))
    np.testing.assert_allclose(probabilities(found), expected, atol=1e-6)
    one = found["predictions"][0]
    assert list(one["probabilities"]) == list(models.pictures.class_names)
    assert one["probability"] == one["probabilities"][one["label"]] == max(one["probabilities"].values())


def test_a_narrow_terminal_gets_label_and_probability(models: Models, folder: Path) -> None:
    words = invoke("models:/fer/1", folder, "--home", models.home.root).stdout

    assert words.splitlines()[1].split() == ["file", "label", "probability"]
    assert max(map(len, words.splitlines())) <= 80


def test_the_real_command_in_a_wide_terminal_shows_the_classes(models: Models, folder: Path) -> None:
    done = fer_sweep("predict", "models:/fer@champion", folder, "--home", models.home.root, COLUMNS="250")

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[1].split() == ["file", "label", "probability", *models.pictures.class_names]
    shares = predict(models.faces, models.pictures.pictures.select([0]))[0]
    assert [f"{100 * share:.0f}" for share in shares] == [
        cell for cell in done.stdout.splitlines()[3].split()[4:] if cell.isdigit()
    ]


def test_rows_of_a_table(models: Models, tmp_path: Path) -> None:
    file, names = tmp_path / "rows.csv", models.table.feature_names
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened, delimiter=";")
        writer.writerow(["id", *reversed(names)])
        for row in models.table.features[:4].tolist():
            writer.writerow(["x", *reversed(row)])

    found = answers(f"runs:/{models.run_id}/rows", file, "--home", models.home.root)

    assert [one["input"] for one in found["predictions"]] == ["row 2", "row 3", "row 4", "row 5"]
    np.testing.assert_allclose(probabilities(found), predict(models.rows, models.table.features[:4]), atol=1e-6)
    both = answers(f"runs:/{models.run_id}/rows", file, file, "--home", models.home.root)
    assert both["predictions"][5]["input"] == f"{file}:3"
    file.write_text("id;feature_1\nx;1\n")
    with pytest.raises(DataError, match=r"rows\.csv lacks the columns feature_2, .*its columns are id, feature_1"):
        raise error_of(f"runs:/{models.run_id}/rows", file, "--home", models.home.root)


def test_a_bad_picture_does_not_keep_the_others_from_their_answer(models: Models, folder: Path) -> None:
    (folder / "bad.jpg").write_text("no picture")
    (folder / "._bad.jpg").write_text("what macOS keeps of it")
    Image.new("RGB", (64, 64)).save(folder / "blank.png")

    done = invoke("models:/fer/1", folder, "--home", models.home.root, "--json")
    words = invoke("models:/fer/1", folder, "--home", models.home.root).stdout

    found = json.loads(done.stdout)["predictions"]
    assert [one["label"] is None for one in found] == [True, True, False, False, False]
    assert "is no readable picture: not a picture" in found[0]["reason"]
    assert found[1]["reason"] == "no face was found"
    assert "unreadable" in words
    assert "no face was found" in words
    assert isinstance(done.exception, DataError)
    assert str(done.exception).startswith("1 of 5 pictures could not be read; the first: ")


def test_what_speaks_for_the_answers_can_be_seen(models: Models, folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "why.png"

    done = invoke("models:/fer/1", folder, "--explain", sheet, "--home", models.home.root)

    assert done.exit_code == 0
    assert f"what speaks for the answers (Grad-CAM): {sheet}" in done.stderr.replace("\n", "")
    with Image.open(sheet) as picture:
        assert picture.size == (600, 325)


def test_bad_pictures_do_not_keep_the_others_from_being_explained(
    models: Models, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "AT_ONCE", 2)  # a batch without any readable picture
    for n in range(3):
        (folder / f"bad_{n}.png").write_text("no picture")
    sheet, home = tmp_path / "why.png", ("--home", models.home.root)

    done = invoke("models:/fer/1", folder, "--explain", sheet, *home, "--json")

    assert isinstance(done.exception, DataError)
    assert str(done.exception).startswith("3 of 6 pictures could not be read")
    found = json.loads(done.stdout)
    assert found["explanation"] == str(sheet)
    assert sum(one["label"] is not None for one in found["predictions"]) == 3
    plain = invoke("models:/fer/1", folder, *home, "--json")
    assert found["predictions"] == json.loads(plain.stdout)["predictions"]
    with Image.open(sheet) as picture:
        assert picture.height == 325


def test_what_cannot_be_explained_is_told(
    models: Models, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, sheet = ("--home", models.home.root), tmp_path / "why.png"
    (tmp_path / "empty.png").mkdir()
    blank = tmp_path / "blank.png"
    Image.new("L", (96, 96)).save(blank)
    (tmp_path / "rows.csv").write_text("a\n1\n")

    for arguments, message in {
        ("models:/fer/1", folder, "--explain", tmp_path / "why.jpg"): r"--explain: .*why\.jpg is no name of a PNG file",
        (
            "models:/fer/1",
            folder,
            "--explain",
            tmp_path / "no" / "why.png",
        ): "--explain: there is no folder .*no to write",
        (
            "models:/fer/1",
            blank,
            "--explain",
            sheet,
        ): "--explain: no picture has an answer, so there is nothing to show",
        (f"runs:/{models.run_id}/rows", tmp_path / "rows.csv", "--explain", sheet): (
            r"\(model\.kind: svm\) sees features or descriptors, not pictures, so there are no places to show"
        ),
    }.items():
        with pytest.raises(FerSweepError, match=message):
            raise error_of(*arguments, *home)
    monkeypatch.setattr(explanation, "MOST", 2)
    with pytest.raises(DataError, match="--explain shows 2 pictures at most, but there are 3"):
        raise error_of("models:/fer/1", folder, "--explain", sheet, *home)
    assert not sheet.exists()


def test_inputs_of_the_wrong_kind_are_told_before_any_work(models: Models, folder: Path, tmp_path: Path) -> None:
    home = ("--home", models.home.root)
    (tmp_path / "empty").mkdir()
    (tmp_path / "rows.csv").write_text("a\n1\n")

    for arguments, message in {
        ("models:/fer/1", tmp_path / "nothing.png", *home): r"nothing\.png does not exist \(looked for /",
        ("models:/fer/1", tmp_path / "empty", *home): r"empty holds no pictures \(files that end in \.avif",
        ("models:/fer/1", tmp_path / "rows.csv", *home): r"rows\.csv: the model takes pictures, not rows of features",
        (f"runs:/{models.run_id}/rows", folder, *home): r"takes rows of features, not pictures.*columns feature_1",
    }.items():
        with pytest.raises(DataError, match=message):
            raise error_of(*arguments)


def test_models_that_there_are_not_are_told(models: Models, folder: Path, tmp_path: Path) -> None:
    home = ("--home", models.home.root)

    for arguments, message in {
        ("fer", folder, *home): r"'fer' names no model\. A model is models:/NAME@ALIAS",
        (
            "models:/fer@challenger",
            folder,
            *home,
        ): r"the model fer has no alias 'challenger'\. Its aliases: @champion \(version 1\)\. .* as in models:/fer/1\.",
        ("models:/fer/7", folder, *home): r"models:/fer/7 is no model of fer-sweep",
        ("models:/m-0123", folder, *home): r"models:/m-0123 is no model of fer-sweep",
        (f"runs:/{models.run_id}/face", folder, *home): r"no model called 'face'\. Its models: faces, rows",
        ("models:/fer/1", folder, "--home", tmp_path / "new"): r"there is no MLflow store in .*new, so models:/fer/1",
    }.items():
        error = error_of(*arguments)
        assert isinstance(error, ModelError)
        assert error.exit_code == 2
        with pytest.raises(ModelError, match=message):
            raise error
    for verb in ("history", "demote"):
        done = CliRunner().invoke(app, [verb, "fer", "--home", str(tmp_path / "new")])
        assert isinstance(done.exception, ModelError)
        assert "there is no MLflow store in" in str(done.exception)
    assert not (tmp_path / "new").exists()
    away = error_of("models:/fer/1", folder, "--tracking-uri", "http://127.0.0.1:9")
    assert isinstance(away, TrackingError)
    assert away.exit_code == 4
