"""The tracker: events in, MLflow runs out. One experiment per sweep name, a parent run per study, a child per trial.

Everything written is a function of the event and of the run's start time, so writing twice writes the same: after a
crash the study is caught up by recording its finished trials again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Param, Run, RunTag

from fer_sweep.spec import flatten
from fer_sweep.spec.search import Scalar
from fer_sweep.study.events import Event, Trial, TrialFinished, TrialStarted
from fer_sweep.study.keys import trial_seed
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.store import identity
from fer_sweep.study.study import OpenStudy
from fer_sweep.study.summary import Summary, describe
from fer_sweep.tracking.client import experiment_id, store_errors
from fer_sweep.tracking.scales import label_of
from fer_sweep.tracking.study_artifacts import write_study_artifacts
from fer_sweep.tracking.study_page import study_metrics, study_note
from fer_sweep.tracking.trial_artifacts import write_trial_artifacts
from fer_sweep.tracking.trial_metrics import epoch_metrics, final_metrics
from fer_sweep.tracking.upload import log_folder

_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
_REMEDY = "Nothing is lost: start it and run the same command again, which writes what is missing."


@dataclass(frozen=True)
class _Run:
    id: str
    start_ms: int
    status: str
    state: str | None
    has_params: bool
    parent: str | None


class Tracker:
    """Writes one study to one MLflow store. Raises TrackingError when the store stops answering.

    artifacts: where this process keeps files; None when an MLflow server does.
    """

    def __init__(
        self, client: MlflowClient, study: OpenStudy, *, artifacts: Path | None, provenance: Mapping[str, str]
    ) -> None:
        self._client, self._study, self._provenance = client, study, provenance
        with store_errors(client.tracking_uri, _REMEDY):
            self.experiment = experiment_id(client, study.spec.name, artifacts)
            self._runs = {
                (run.data.tags["fer.stage"], int(run.data.tags["fer.trial"])): _known(run)
                for run in self._search("trial")
            }
            self._parent = self._open_parent()

    @property
    def parent_run(self) -> str:
        """Id of the study's run."""
        return self._parent.id

    def missing(self, rows: Iterable[TrialRow]) -> list[int]:
        """Numbers of finished trials of the search whose MLflow run is absent or was left unfinished."""
        return [row.number for row in rows if row.state in _STATUS and not self._has_ended("search", row)]

    def record(self, event: Event) -> None:
        """Write what an event says. Recording a finished trial again changes nothing."""
        with store_errors(self._client.tracking_uri, _REMEDY):
            match event:
                case TrialStarted(trial=trial):
                    self._begin(trial)
                case TrialFinished(trial=trial, row=row):
                    if not self._has_ended(trial.stage, row):
                        self._end(event)
                case _:
                    pass

    def finish(self, summary: Summary, importances: Mapping[str, float], *, status: str) -> None:
        """Write the study's own run: the ranked table, the pictures, the answer. status: FINISHED, FAILED or KILLED."""
        with store_errors(self._client.tracking_uri, _REMEDY):
            # first of all, so that a second Ctrl-C finds nothing left RUNNING
            for key, run in self._runs.items():
                if run.status == "RUNNING":
                    self._client.set_terminated(run.id, status="KILLED")
                    self._runs[key] = replace(run, status="KILLED")
            parent = self._parent.id
            self._client.set_terminated(parent, status="KILLED" if status == "FINISHED" else status)
            with log_folder(self._client, parent) as folder:
                write_study_artifacts(folder, summary, importances, self._study)
            tags = [RunTag("mlflow.note.content", study_note(summary, self._study.spec.description))]
            self._client.log_batch(parent, metrics=study_metrics(summary, start_ms=self._parent.start_ms), tags=tags)
            self._client.set_terminated(parent, status=status)

    # -- runs --------------------------------------------------------------------------------------------------------

    def _search(self, role: str) -> Iterator[Run]:
        """The runs of this study that exist already."""
        token = None
        while True:
            page = self._client.search_runs(
                [self.experiment],
                filter_string=f"tags.`fer.study` = '{self._study.name}' and tags.`fer.role` = '{role}'",
                max_results=1000,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _open_parent(self) -> _Run:
        found = next(self._search("study"), None)
        if found is None:
            spec, split = self._study.spec, self._study.split
            tags = {
                "fer.study": self._study.name,
                "fer.role": "study",
                "fer.person_independent": str(split.person_independent).lower(),
                "fer.selected_on": "validation" if split.has_validation else "the reported folds",
                "mlflow.note.content": spec.description,
                **{f"fer.{key}": value for key, value in self._provenance.items()},
                **self._common_tags(),
            }
            found = self._client.create_run(self.experiment, tags=tags, run_name=self._study.name)
        # what may change between two runs of a study (run_cap, budget) is in sweep.yaml: MLflow's params never change
        fixed = identity(self._study.spec, fingerprint="", split_hash="")
        return self._reopen(_known(found), {path: v for path, v in fixed.items() if not path.startswith("(")})

    def _begin(self, trial: Trial) -> _Run:
        key = (trial.stage, trial.number)
        run = self._runs.get(key)
        if run is None:
            run = _known(self._create(trial))
        elif run.parent != self._parent.id:  # somebody deleted the study's run, and it was made anew
            self._client.set_tag(run.id, "mlflow.parentRunId", self._parent.id)
            run = replace(run, parent=self._parent.id)
        self._runs[key] = self._reopen(run, flatten(trial.config))
        return self._runs[key]

    def _create(self, trial: Trial) -> Run:
        label = "base" if trial.number == 0 else f"trial {trial.number}"
        tags = {
            "mlflow.parentRunId": self._parent.id,
            "mlflow.note.content": describe(trial.assignments),
            "fer.study": self._study.name,
            "fer.role": "trial",
            "fer.stage": trial.stage,
            "fer.trial": str(trial.number),
            "fer.seed": str(trial_seed(self._study.spec.seed, trial)),
            **self._common_tags(),
        }
        name = f"confirm {label}" if trial.stage == "confirm" else label
        return self._client.create_run(self.experiment, tags=tags, run_name=name)

    def _reopen(self, run: _Run, settings: Mapping[str, Scalar | None]) -> _Run:
        """The run, RUNNING and with its params, which a crash may have kept from being written."""
        if not run.has_params:
            params = [Param(path, label_of(value)) for path, value in settings.items() if value is not None]
            self._client.log_batch(run.id, params=params)
        if run.status != "RUNNING":
            self._client.update_run(run.id, status="RUNNING")
        return replace(run, status="RUNNING", has_params=True)

    def _common_tags(self) -> dict[str, str]:
        """On every run: its data and splits, and where it was made, because a study may move between two runs."""
        study, made = self._study, self._provenance
        named = {"mlflow.source.git.commit": "git.sha", "fer.git.dirty": "git.dirty", "fer.hostname": "hostname"}
        return {
            "mlflow.source.name": "fer-sweep",
            "mlflow.source.type": "LOCAL",
            **{tag: made[key] for tag, key in named.items() if key in made},
            "fer.data_fingerprint": study.samples.fingerprint,
            "fer.split_hash": study.split.hash,
        }

    def _has_ended(self, stage: str, row: TrialRow) -> bool:
        """Whether all of a finished trial has been written. An interrupted run is KILLED too, but has no state yet."""
        run = self._runs.get((stage, row.number))
        if run is None or run.parent != self._parent.id:
            return False
        return (run.status, run.state) == (_STATUS[row.state], row.state)

    def _end(self, event: TrialFinished) -> None:
        run = self._begin(event.trial)
        row, tags, metrics = event.row, [], []
        if row.note:
            tags.append(RunTag("fer.note", row.note))
        if event.reused_from is not None:
            tags.append(RunTag("fer.reused_from", str(event.reused_from)))
        if event.result is not None:
            metrics = [
                *epoch_metrics(event.result, start_ms=run.start_ms),
                *final_metrics(event, self._study.samples, start_ms=run.start_ms),
            ]
        self._client.log_batch(run.id, metrics=metrics, tags=tags)
        with log_folder(self._client, run.id) as folder:
            write_trial_artifacts(folder, event, self._study.samples)
        self._client.set_tag(run.id, "fer.state", row.state)
        self._client.set_terminated(run.id, status=_STATUS[row.state])
        self._runs[event.trial.stage, row.number] = replace(run, status=_STATUS[row.state], state=row.state)


def _known(run: Run) -> _Run:
    info, tags = run.info, run.data.tags
    return _Run(
        id=info.run_id,
        start_ms=info.start_time,
        status=info.status,
        state=tags.get("fer.state"),
        has_params=bool(run.data.params),
        parent=tags.get("mlflow.parentRunId"),
    )
