"""A logged model, as others meet it: loaded, asked and served by processes that know nothing of this project."""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from fer_sweep.data import Samples, load_samples
from fer_sweep.errors import DataError, TrackingError
from fer_sweep.serving import FittedPipeline, predict
from fer_sweep.spec.data import FaceOptions
from fer_sweep.tracking.client import global_uri
from fer_sweep.tracking.model_artifact import log_fitted, requirements
from tests.serving.fitted import KINDS, configured, fitted
from tests.tracking.studies import client_of, new_home

FACES = Path(__file__).parents[3] / "shared" / "data" / "faces"


BLANK = np.full((64, 64, 3), 128, dtype=np.uint8)


@dataclass(frozen=True)
class Logged:
    uri: str
    pipeline: FittedPipeline
    samples: Samples


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    return client_of(new_home(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def run_id(client: MlflowClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    location = tmp_path_factory.mktemp("artifacts").as_uri()
    run = client.create_run(client.create_experiment("models", artifact_location=location))
    client.log_param(run.info.run_id, "train.epochs", 60)
    return str(run.info.run_id)


def logged(client: MlflowClient, run_id: str, kind: str) -> Logged:
    config = configured(KINDS[kind])
    samples = load_samples(config.data)
    pipeline = fitted(config, samples)
    return Logged(log_fitted(client, run_id, pipeline, samples), pipeline, samples)


@pytest.fixture(scope="module")
def rows(client: MlflowClient, run_id: str) -> Logged:
    return logged(client, run_id, "mlp, fused")


@pytest.fixture(scope="module")
def faces(client: MlflowClient, run_id: str) -> Logged:
    return logged(client, run_id, "cnn")


@pytest.fixture(scope="module")
def dropping(client: MlflowClient, run_id: str, faces: Logged) -> Logged:
    """The model of faces, had training left out pictures without a face."""
    assert isinstance(faces.pipeline.input, FaceOptions)
    pipeline = replace(faces.pipeline, input=faces.pipeline.input.model_copy(update={"no_face": "drop"}))
    return replace(faces, pipeline=pipeline, uri=log_fitted(client, run_id, pipeline, faces.samples))


@pytest.fixture
def tracked(client: MlflowClient) -> Iterator[None]:
    with global_uri(client.tracking_uri):
        yield


def stranger(client: MlflowClient) -> dict[str, str]:
    """The environment of a process that has this Python, but knows nothing of the working tree."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "MLFLOW_TRACKING_URI"}}
    return {
        **kept,
        "PATH": os.pathsep.join(
            [str(Path(sys.executable).parent), os.environ["PATH"]]
        ),  # `mlflow models serve` looks for uvicorn there
        "MLFLOW_TRACKING_URI": client.tracking_uri,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": "ignore",
    }


def table_of(answers: Any, one: Logged) -> pd.DataFrame:
    names = one.pipeline.class_names
    table = pd.DataFrame(answers.astype(np.float64), columns=[f"probability_{name}" for name in names])
    table.insert(0, "label", [None if np.isnan(row).any() else names[int(row.argmax())] for row in answers])
    return table


def test_the_model_belongs_to_its_run_and_is_ready(client: MlflowClient, run_id: str, rows: Logged) -> None:
    found = client.get_logged_model(rows.uri.removeprefix("models:/"))

    assert (found.name, str(found.status), found.source_run_id) == ("model", "READY", run_id)
    assert found.params == {"train.epochs": "60"}
    outputs = client.get_run(run_id).outputs
    assert outputs is not None
    assert found.model_id in [output.model_id for output in outputs.model_outputs]


@pytest.mark.usefixtures("tracked")
def test_nothing_in_it_is_pickled(tmp_path: Path, client: MlflowClient, rows: Logged, faces: Logged) -> None:
    for one in (rows, faces):
        folder = Path(mlflow.artifacts.download_artifacts(one.uri, dst_path=str(tmp_path / one.uri[-6:])))
        files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
        kinds = {Path(file).suffix for file in files}
        packages = {file.split("/")[2] for file in files if file.startswith("code/fer_sweep/")}

        assert kinds <= {"", ".py", ".json", ".yaml", ".txt", ".safetensors"}
        assert packages == {"__init__.py", "errors.py", "cores.py", "spec", "data", "features", "models", "serving"}
        example = json.loads((folder / "input_example.json").read_text())
        assert len(example["data"]) == 2
        assert (folder / "requirements.txt").read_text().split() == requirements(one.pipeline)


def test_it_requires_what_it_needs_and_no_more() -> None:
    def needs(kind: str) -> set[str]:
        config = configured(KINDS[kind])
        found = requirements(fitted(config, load_samples(config.data)))
        assert all("==" in one and "+" not in one for one in found)
        return {one.partition("==")[0] for one in found}

    always = {"mlflow", "numpy", "pandas", "pydantic", "safetensors"}
    assert needs("mlp, fused") == always | {"torch"}
    assert needs("svm") == always
    assert needs("mlp on descriptors") == always | {"torch", "pillow", "opencv-python-headless"}
    assert needs("resnet, frozen") == always | {"torch", "torchvision", "pillow"}


LOAD = """
import json, sys
import mlflow, pandas as pd
uri, given, answers = sys.argv[1:]
model = mlflow.pyfunc.load_model(uri)
model.predict(pd.read_json(given, orient="split")).to_json(answers, orient="split", double_precision=15)
import fer_sweep
heavy = {"optuna", "numba", "sklearn", "torchvision", "ruamel", "openpyxl", "cv2", "PIL"}
print(json.dumps([fer_sweep.__file__, sorted(heavy & set(sys.modules))]))
"""


@pytest.mark.parametrize("kind", ["rows", "faces"])
def test_a_stranger_gets_the_engines_answers(
    kind: str, client: MlflowClient, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    one: Logged = request.getfixturevalue(kind)
    if isinstance(one.pipeline.input, FaceOptions):
        cells = [base64.b64encode(one.samples.pictures.png(i, 512)).decode() for i in range(5)]
        given = pd.DataFrame({"image": cells})
        expected = predict(one.pipeline, one.samples.pictures.select(range(5)))
    else:
        given = pd.DataFrame(one.samples.features[:5], columns=list(one.samples.feature_names)).iloc[:, ::-1]
        expected = predict(one.pipeline, one.samples.features[:5])
    given.to_json(tmp_path / "given.json", orient="split", double_precision=15)

    done = subprocess.run(
        [sys.executable, "-c", LOAD, one.uri, tmp_path / "given.json", tmp_path / "answers.json"],
        cwd=tmp_path, env=stranger(client), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    package, heavy = json.loads(done.stdout.splitlines()[-1])
    assert "code/fer_sweep/__init__.py" in package
    # MLflow itself imports Pillow and scikit-learn where they are installed
    assert set(heavy) - {"PIL", "sklearn"} == ({"cv2"} if kind == "faces" else set())
    answers = pd.read_json(tmp_path / "answers.json", orient="split")
    pd.testing.assert_frame_equal(answers, table_of(expected, one), atol=1e-6, check_dtype=False)


@pytest.mark.usefixtures("tracked")
def test_pictures_may_be_paths_bytes_or_arrays(tmp_path: Path, faces: Logged) -> None:
    pictures = faces.samples.pictures
    model = mlflow.pyfunc.load_model(faces.uri)
    (tmp_path / "face.png").write_bytes(pictures.png(0, 512))

    cells = [str(tmp_path / "face.png"), pictures.png(1, 512), pictures.whole(2), pictures.whole(3).tolist()]
    answers = model.predict(pd.DataFrame({"image": cells}, index=[3, 5, 7, 9]))

    expected = table_of(predict(faces.pipeline, pictures.select(range(4))), faces)
    pd.testing.assert_frame_equal(answers, expected.set_axis([3, 5, 7, 9]), atol=1e-6, check_dtype=False)


@pytest.mark.usefixtures("tracked")
def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path, faces: Logged) -> None:
    model = mlflow.pyfunc.load_model(faces.uri)
    good = base64.b64encode(faces.samples.pictures.png(0, 512)).decode()

    for bad, message in {
        "bm8gcGljdHVyZQ==": r"image 1 is no readable picture: not a picture",
        "***": r"image 1 \('\*\*\*'\) is neither base64 text nor a path",
        str(tmp_path / "nothing.png"): r"nothing\.png cannot be read: No such file",
    }.items():
        with pytest.raises(Exception, match=message) as error:
            model.predict(pd.DataFrame({"image": [good, bad]}))
        assert type(error.value).__name__ == DataError.__name__


@pytest.mark.usefixtures("tracked")
def test_without_a_face_there_is_no_answer_where_training_left_such_pictures_out(
    dropping: Logged,
) -> None:
    model = mlflow.pyfunc.load_model(dropping.uri)

    answers = model.predict(pd.DataFrame({"image": [BLANK, dropping.samples.pictures.whole(0)]}))

    assert answers["label"].isna().tolist() == [True, False]
    assert answers.iloc[0, 1:].isna().all()
    assert answers.iloc[1, 1:].sum() == pytest.approx(1.0)


@pytest.mark.usefixtures("tracked")
def test_missing_columns_are_named_by_mlflow_and_missing_values_by_us(rows: Logged) -> None:
    model = mlflow.pyfunc.load_model(rows.uri)
    table = pd.DataFrame(rows.samples.features[:3].astype(np.float64), columns=list(rows.samples.feature_names))

    with pytest.raises(MlflowException, match=r"missing inputs \['feature_2'\]"):
        model.predict(table.drop(columns="feature_2"))
    table.loc[1, "feature_3"] = np.nan
    with pytest.raises(Exception, match="row 1, column feature_3: the value is missing"):
        model.predict(table)


def test_a_store_that_is_gone_is_told(rows: Logged) -> None:
    client = MlflowClient("http://127.0.0.1:9")

    with pytest.raises(TrackingError, match=r"http://127\.0\.0\.1:9 does not answer: .* Try again when it answers"):
        log_fitted(client, "0" * 32, rows.pipeline, rows.samples)


@pytest.fixture
def server(client: MlflowClient, dropping: Logged, tmp_path: Path) -> Iterator[str]:
    """`mlflow models serve` in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", dropping.uri, "--env-manager", "local",
               "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]  # fmt: skip
    with (tmp_path / "server.txt").open("wb") as printed:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=stranger(client), stdout=printed, stderr=printed, start_new_session=True
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/ping", process, tmp_path / "server.txt")
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 15)
                process.wait(timeout=30)


def wait_for(url: str, process: subprocess.Popen[bytes], printed: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, printed.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"no answer: {printed.read_text()}")


def post(url: str, content: Any) -> tuple[int, str]:
    request = urllib.request.Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_mlflow_serves_it(server: str, dropping: Logged) -> None:
    pictures = dropping.samples.pictures
    records: list[dict[str, Any]] = [{"image": base64.b64encode(pictures.png(i, 512)).decode()} for i in range(3)]

    status, answer = post(server, {"dataframe_records": [*records, {"image": BLANK.tolist()}]})

    assert status == 200
    *known, nobody = json.loads(answer)["predictions"]
    expected = table_of(predict(dropping.pipeline, pictures.select(range(3))), dropping)
    pd.testing.assert_frame_equal(pd.DataFrame(known), expected, atol=1e-6, check_dtype=False)
    assert set(nobody.values()) == {None}
    assert "NaN" not in answer  # which is not JSON
    status, answer = post(server, {"dataframe_records": [{"image": "bm8gcGljdHVyZQ=="}]})
    assert status in {400, 500}
    assert "image 0 is no readable picture: not a picture" in answer


@pytest.mark.usefixtures("tracked")
def test_real_faces(client: MlflowClient, run_id: str, tmp_path: Path) -> None:
    if not FACES.is_dir():
        pytest.skip(f"no faces at {FACES}")
    for folder in FACES.iterdir():
        shutil.copytree(folder, tmp_path / folder.name, ignore=lambda _, names: sorted(names)[4:])
    config = configured({
        **KINDS["mlp on descriptors"],
        "data": {"source": "folder", "path": str(tmp_path), "face": "viola_jones", "no_face": "centre"},
    })  # fmt: skip
    samples = load_samples(config.data)
    one = fitted(config, samples)

    model = mlflow.pyfunc.load_model(log_fitted(client, run_id, one, samples))
    answers = model.predict(pd.DataFrame({"image": [str(tmp_path / name) for name in samples.ids]}))

    assert len(answers) == 28
    expected = table_of(predict(one, samples.pictures), Logged("", one, samples))
    pd.testing.assert_frame_equal(answers, expected, atol=1e-6, check_dtype=False)
    truth = [samples.class_names[c] for c in samples.y]
    assert (answers["label"] == truth).mean() > 0.5
