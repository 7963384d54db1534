"""What a store is known to have of a study: its runs, found by their tags, as the tracker needs to know them."""

from collections.abc import Iterator
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run

from fer_sweep.study.events import Trial
from fer_sweep.study.facts import StudyFacts

STUDY_ID = "fer.study_id"
RunKey = tuple[str, int, str]
"""Stage, number and splits of a trial: what its run is found by."""


@dataclass(frozen=True)
class KnownRun:
    """A run of the store. state: of its trial, None until that has ended and all of it is written."""

    id: str
    start_ms: int
    status: str
    state: str | None
    has_params: bool
    parent: str | None
    ms_per_epoch: float | None
    """How long an epoch takes, as the times of its points say; fixed with the first of them."""


def key_of(trial: Trial) -> RunKey:
    """What a trial's run is found by."""
    return trial.stage, trial.number, trial.split_hash


def known(run: Run) -> KnownRun:
    """A run as the store returned it."""
    info, tags = run.info, run.data.tags
    pace = tags.get("fer.ms_per_epoch")
    return KnownRun(
        id=info.run_id,
        start_ms=info.start_time,
        status=info.status,
        state=tags.get("fer.state"),
        has_params=bool(run.data.params),
        parent=tags.get("mlflow.parentRunId"),
        ms_per_epoch=None if pace is None else float(pace),
    )


def content(run: Run) -> tuple[bool, int, int]:
    """How much a run holds: whether its trial has ended, numbers, params. A request to create a run that is carried out
    late leaves an empty one beside the one that was created instead."""
    return "fer.state" in run.data.tags, len(run.data.metrics), len(run.data.params)


def belongs(run: Run, facts: StudyFacts) -> bool:
    """Whether a run is of this very study, rather than of another home's that has the same name."""
    tags = run.data.tags
    return (tags.get("fer.study"), tags.get(STUDY_ID, "")) == (facts.name, facts.id)


def study_tags(facts: StudyFacts) -> dict[str, str]:
    """The tags by which a run belongs to a study."""
    return {"fer.study": facts.name, **({STUDY_ID: facts.id} if facts.id else {})}


def runs_named(client: MlflowClient, experiment: str, study: str, role: str) -> Iterator[Run]:
    """The runs of the studies of this name that exist already, oldest first. role: `study` or `trial`."""
    token = None
    while True:
        page = client.search_runs(
            [experiment],
            filter_string=f"tags.`fer.study` = '{study}' and tags.`fer.role` = '{role}'",
            max_results=1000,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return
