"""MLflow runs of studies and trials, looked up."""

from contextlib import suppress

from mlflow import MlflowClient

from fer_sweep.errors import StudyError, TrackingRefused
from fer_sweep.study.events import Stage
from fer_sweep.study.measured import Reference
from fer_sweep.tracking.client import store_errors

_REMEDY = "Start it, or correct --tracking-uri (or MLFLOW_TRACKING_URI)."


def trial_of_run(client: MlflowClient, run_id: str) -> Reference:
    """The trial that an MLflow run shows; for the run of a study, its best confirmed configuration.

    Raises StudyError if there is no such run, or if it is not one of fer-sweep's.
    """
    tags = None
    with suppress(TrackingRefused), store_errors(client.tracking_uri, _REMEDY):
        tags = client.get_run(run_id).data.tags
    if tags is None:
        raise StudyError(
            f"neither a study nor an MLflow run is called {run_id!r}. fer-sweep status lists the studies; a run's id "
            "is on its page in the MLflow UI."
        )
    role = tags.get("fer.role")
    if role == "study":
        return Reference(tags["fer.study"])
    if role != "trial":
        raise StudyError(
            f"the MLflow run {run_id} is not a study or a trial of fer-sweep. Name the run of a trial, or STUDY/NUMBER."
        )
    stage: Stage = "confirm" if tags["fer.stage"] == "confirm" else "search"
    return Reference(tags["fer.study"], stage, int(tags["fer.trial"]))


def run_ids(client: MlflowClient, study: str, number: int) -> dict[str, str]:
    """Ids of the runs that show a study, a trial of its search, and its confirmation; empty where there is none."""
    found = {"study": "", "search": "", "confirm": ""}
    with store_errors(client.tracking_uri, _REMEDY):
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs = client.search_runs(experiments, f"tags.`fer.study` = '{study}' and tags.`fer.role` = 'study'")
        found["study"] = runs[0].info.run_id if runs else ""
        filters = f"tags.`fer.study` = '{study}' and tags.`fer.role` = 'trial' and tags.`fer.trial` = '{number}'"
        found |= {run.data.tags["fer.stage"]: run.info.run_id for run in client.search_runs(experiments, filters)}
    return found
