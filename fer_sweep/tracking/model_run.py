"""The run of a model: where it was made, its configuration, and later the evidence for it."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Param
from mlflow.exceptions import MlflowException

from fer_sweep.data import Samples
from fer_sweep.errors import StudyError
from fer_sweep.serving import FittedPipeline
from fer_sweep.spec import TrialConfig, flatten, to_yaml
from fer_sweep.study.choice import Choice
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.summary import describe
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.client import experiment_id, store_errors
from fer_sweep.tracking.known_runs import study_tags
from fer_sweep.tracking.model_artifact import log_fitted
from fer_sweep.tracking.registry import Origin, Version
from fer_sweep.tracking.scales import label_of
from fer_sweep.tracking.upload import log_folder

CONFIGURATION = "configuration.json"
_REMEDY = "Run the same command again once it does."


def logged_model(client: MlflowClient, origin: Origin) -> tuple[str, str] | None:
    """Run id and URI of a model of this origin that is logged already, though perhaps not registered. What a crash left
    half made is deleted."""
    wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in origin.tags.items())
    with store_errors(client.tracking_uri, _REMEDY):
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        for run in client.search_runs(experiments, f"tags.`fer.role` = 'model' and {wanted}"):
            if "fer.model_uri" in run.data.tags:
                return run.info.run_id, run.data.tags["fer.model_uri"]
            client.delete_run(run.info.run_id)
    return None


def log_model(
    client: MlflowClient,
    store: Store,
    origin: Origin,
    pipeline: FittedPipeline,
    *,
    facts: StudyFacts,
    choice: Choice,
    samples: Samples,
    parent: str,
    provenance: Mapping[str, str],
) -> tuple[str, str]:
    """Log a fitted pipeline under a run of its own. parent: the study's run, empty if it has none. Returns run id and
    URI."""
    tags = {
        "fer.role": "model",
        "mlflow.source.name": "fer-sweep",
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": f"{describe(choice.assignments)}; trained on {origin.trained_on}",
        **({"mlflow.parentRunId": parent} if parent else {}),
        **({"mlflow.source.git.commit": provenance["git.sha"]} if "git.sha" in provenance else {}),
        **{f"fer.{key}": value for key, value in provenance.items()},
        **origin.tags,
        **study_tags(facts),
    }
    with store_errors(client.tracking_uri, _REMEDY):
        experiment = experiment_id(client, facts.spec.name, store.artifacts)
        name = f"model of {'the base' if choice.number == 0 else f'trial {choice.number}'}"
        run_id = client.create_run(experiment, tags=tags, run_name=name).info.run_id
        settings = flatten(choice.config).items()
        params = [Param(path, label_of(value)) for path, value in settings if value is not None]
        client.log_batch(run_id, params=params)
        with log_folder(client, run_id) as folder:
            _write(folder / CONFIGURATION, choice.config.model_dump_json(indent=1))
            _write(folder / "configuration.yaml", to_yaml(choice.config))
            _write(folder / "sweep.yaml", to_yaml(facts.spec))
    uri = log_fitted(client, run_id, pipeline, samples)
    with store_errors(client.tracking_uri, _REMEDY):
        client.set_tag(run_id, "fer.model_uri", uri)
        client.set_terminated(run_id, status="FINISHED", end_time=time.time_ns() // 1_000_000)
    return run_id, uri


def configuration_of(client: MlflowClient, version: Version) -> TrialConfig:
    """The configuration that a version was trained with. Raises StudyError if it was not made by fer-sweep, or if its
    run's files are gone."""
    with tempfile.TemporaryDirectory(prefix="fer-sweep-") as folder:
        try:
            path = client.download_artifacts(version.run_id, CONFIGURATION, folder)
            return TrialConfig.model_validate_json(Path(path).read_text(encoding="utf-8"))
        except (MlflowException, OSError, ValueError) as error:
            raise StudyError(
                f"version {version.number} of {version.model} ({version.origin}) cannot be trained anew to compare "
                f"with: {CONFIGURATION} of its run cannot be read ({type(error).__name__}). Promote under another "
                "--name, or take the alias from that version first (in the MLflow UI)."
            ) from error


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
