"""Addresses of studies and models in the MLflow UI."""

from collections.abc import Iterator
from urllib.parse import quote

from mlflow import MlflowClient

from fer_sweep.tracking.address import Store
from fer_sweep.tracking.client import open_client


def study_urls(store: Store, server: str) -> Iterator[tuple[str, str]]:
    """(study, address of its run) of every study in a store."""
    client = open_client(store)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    for run in client.search_runs(experiments, filter_string="tags.`fer.role` = 'study'"):
        page = f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
        # otherwise the UI surrounds it with its pages for language models
        yield run.data.tags["fer.study"], f"{page}?workflowType=machine_learning"


def model_urls(store: Store, server: str) -> Iterator[tuple[str, str]]:
    """(model, its address) of every registered model in a store."""
    client: MlflowClient = open_client(store)
    for model in client.search_registered_models(max_results=100):
        yield model.name, f"{server}/#/models/{quote(model.name, safe='')}"
