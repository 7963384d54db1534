"""Addresses of studies in the MLflow UI."""

from collections.abc import Iterator

from fer_sweep.study.home import Home
from fer_sweep.tracking.address import store_of
from fer_sweep.tracking.client import open_client


def study_urls(home: Home, server: str) -> Iterator[tuple[str, str]]:
    """(study, address of its run) of every study in the local store."""
    client = open_client(store_of(None, home))
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    for run in client.search_runs(experiments, filter_string="tags.`fer.role` = 'study'"):
        page = f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
        # otherwise the UI surrounds it with its pages for language models
        yield run.data.tags["fer.study"], f"{page}?workflowType=machine_learning"
