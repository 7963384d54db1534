"""What a model URI means, and the pipeline behind it."""

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput

from fer_sweep.data import load_samples
from fer_sweep.errors import ModelError
from fer_sweep.serving import FittedPipeline
from fer_sweep.tracking.fitted_model import fetch_pipeline, find_model
from fer_sweep.tracking.model_artifact import log_fitted
from tests.serving.fitted import KINDS, configured, fitted
from tests.tracking.studies import client_of, new_home


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    home = new_home(tmp_path_factory.mktemp("models"))
    client = client_of(home)
    client.create_experiment("models", artifact_location=home.artifacts.absolute().as_uri())
    return client


@pytest.fixture(scope="module")
def pipeline() -> FittedPipeline:
    config = configured(KINDS["svm"])
    return fitted(config, load_samples(config.data))


@pytest.fixture
def run_id(client: MlflowClient) -> str:
    experiment = client.get_experiment_by_name("models")
    assert experiment is not None
    return str(client.create_run(experiment.experiment_id).info.run_id)


def log(client: MlflowClient, run_id: str, pipeline: FittedPipeline, name: str = "model") -> str:
    return log_fitted(client, run_id, pipeline, load_samples(configured(KINDS["svm"]).data), name=name)


def test_every_form_of_a_uri_leads_to_the_model(client: MlflowClient, run_id: str, pipeline: FittedPipeline) -> None:
    uri = log(client, run_id, pipeline)
    model_id = uri.removeprefix("models:/")
    location = client.get_logged_model(model_id).artifact_location
    client.create_registered_model("fer")
    client.create_model_version("fer", location, run_id=run_id)
    client.set_registered_model_alias("fer", "champion", "1")

    for form, name, version in (
        (uri, None, None),
        (f"runs:/{run_id}/model", None, None),
        ("models:/fer/1", "fer", "1"),
        ("models:/fer@champion", "fer", "1"),
    ):
        found = find_model(client, form)
        assert (found.uri, found.name, found.version, found.model_id) == (form, name, version, model_id)
        fetched = fetch_pipeline(client, found)
        assert fetched.model == pipeline.model
        for array, expected in pipeline.weights.items():
            np.testing.assert_array_equal(fetched.weights[array], expected)


def test_of_a_runs_models_the_newest_of_the_name_is_meant(
    client: MlflowClient, run_id: str, pipeline: FittedPipeline
) -> None:
    log(client, run_id, pipeline)
    newest = log(client, run_id, pipeline)
    log(client, run_id, pipeline, name="other")

    assert find_model(client, f"runs:/{run_id}/model").model_id == newest.removeprefix("models:/")


def test_a_model_of_somebody_else_is_told(client: MlflowClient, run_id: str, tmp_path: Path) -> None:
    experiment = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment, name="theirs", source_run_id=run_id)
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    client.log_model_artifacts(model.model_id, str(tmp_path))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])

    with pytest.raises(ModelError, match=rf"runs:/{run_id}/theirs is no model of fer-sweep in sqlite"):
        fetch_pipeline(client, find_model(client, f"runs:/{run_id}/theirs"))


def test_a_damaged_pipeline_is_told(client: MlflowClient, run_id: str, pipeline: FittedPipeline) -> None:
    found = find_model(client, log(client, run_id, pipeline))
    file = Path(found.location.removeprefix("file://")) / "artifacts" / "pipeline" / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-8])

    with pytest.raises(ModelError, match=r"models:/m-\w+: .* holds no fitted pipeline that this version"):
        fetch_pipeline(client, found)
