"""MLflow runs of studies and trials, looked up."""

from contextlib import suppress

from mlflow import MlflowClient

from fer_sweep.errors import StudyError, TrackingRefused
from fer_sweep.study.events import Stage
from fer_sweep.study.facts import StudyFacts, load_facts
from fer_sweep.study.home import Home
from fer_sweep.study.measured import Reference
from fer_sweep.tracking.client import store_errors
from fer_sweep.tracking.known_runs import STUDY_ID, belongs

_REMEDY = "Start it, or correct --tracking-uri (or MLFLOW_TRACKING_URI)."


def trial_of_run(client: MlflowClient, run_id: str, home: Home) -> Reference:
    """The trial that an MLflow run shows; for the run of a study, its best confirmed configuration.

    Raises StudyError if there is no such run, if it is not one of fer-sweep's, or if it is of a study elsewhere that
    has the name of one in this home.
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
    if role not in ("study", "trial"):
        raise StudyError(
            f"the MLflow run {run_id} is not a study or a trial of fer-sweep. Name the run of a trial, or STUDY/NUMBER."
        )
    files = home.study(tags["fer.study"])
    if files.samples.exists() and load_facts(tags["fer.study"], files).id != tags.get(STUDY_ID, ""):
        raise StudyError(
            f"the MLflow run {run_id} is of another study called {tags['fer.study']!r} than the one in {home.root}. "
            "Compare it where it was run (--home)."
        )
    if role == "study":
        return Reference(tags["fer.study"])
    stage: Stage = "confirm" if tags["fer.stage"] == "confirm" else "search"
    return Reference(tags["fer.study"], stage, int(tags["fer.trial"]))


def run_ids(client: MlflowClient, study: StudyFacts, number: int) -> dict[str, str]:
    """Ids of the runs that show a study, a trial of its search, and its confirmation; empty where there is none."""
    found = {"study": "", "search": "", "confirm": ""}
    with store_errors(client.tracking_uri, _REMEDY):
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        named = f"tags.`fer.study` = '{study.name}'"
        studies = client.search_runs(experiments, f"{named} and tags.`fer.role` = 'study'")
        found["study"] = next((run.info.run_id for run in studies if belongs(run, study)), "")
        trials = client.search_runs(
            experiments, f"{named} and tags.`fer.role` = 'trial' and tags.`fer.trial` = '{number}'"
        )
        found |= {run.data.tags["fer.stage"]: run.info.run_id for run in trials if belongs(run, study)}
    return found
