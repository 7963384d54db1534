"""The tracker: events in, MLflow runs out. One experiment per sweep name, a parent run per study, a child per trial.

Everything written is a function of the event and of the run's start time, so writing twice writes the same: after a
crash the study is caught up by recording its finished trials again.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from fer_sweep.spec import flatten
from fer_sweep.study.events import Event, Trial, TrialFinished, TrialStarted
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.study import OpenStudy
from fer_sweep.study.summary import Summary, answer, describe
from fer_sweep.tracking.client import experiment_id
from fer_sweep.tracking.study_artifacts import write_study_artifacts
from fer_sweep.tracking.trial_artifacts import write_trial_artifacts
from fer_sweep.tracking.trial_metrics import epoch_metrics, final_metrics
from fer_sweep.tracking.upload import log_folder

_ENDED = ("FINISHED", "FAILED", "KILLED")
_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}


@dataclass(frozen=True)
class _Run:
    id: str
    start_ms: int
    status: str


class Tracker:
    """Writes one study to one MLflow store."""

    def __init__(self, client: MlflowClient, study: OpenStudy, *, local: bool, provenance: dict[str, str]) -> None:
        self._client, self._study, self._provenance = client, study, provenance
        self._artifacts = study.files.root.parent.parent / "artifacts" if local else None
        self.experiment = experiment_id(client, study.spec.name, self._artifacts)
        self._runs = self._known_runs()
        self._parent = self._open_parent()

    @property
    def parent_run(self) -> str:
        """Id of the study's run."""
        return self._parent.id

    def missing(self, rows: Iterable[TrialRow]) -> list[int]:
        """Numbers of finished trials of the search whose MLflow run is absent or was left unfinished."""
        return [
            row.number
            for row in rows
            if row.state in _STATUS and not self._has_ended("search", row.number, _STATUS[row.state])
        ]

    def record(self, event: Event) -> None:
        """Write what an event says. Recording a finished trial again changes nothing."""
        match event:
            case TrialStarted(trial=trial, seed=seed):
                self._begin(trial, seed)
            case TrialFinished(trial=trial, row=row):
                if not self._has_ended(trial.stage, trial.number, _STATUS[row.state]):
                    self._end(event)
            case _:
                pass

    def finish(self, summary: Summary, importances: dict[str, float], *, status: str) -> None:
        """Write the study's own run: the ranked table, the pictures, the answer. status: FINISHED, FAILED or KILLED."""
        for key, run in self._runs.items():
            if run.status == "RUNNING":
                self._client.set_terminated(run.id, status="KILLED")
                self._runs[key] = _Run(run.id, run.start_ms, "KILLED")
        with log_folder(self._client, self._parent.id) as folder:
            write_study_artifacts(folder, summary, importances, self._study)
        self._client.log_batch(self._parent.id, metrics=self._study_metrics(summary))
        self._client.set_tag(self._parent.id, "mlflow.note.content", _note(summary, self._study))
        self._client.set_terminated(self._parent.id, status=status)

    # -- runs --------------------------------------------------------------------------------------------------------

    def _known_runs(self) -> dict[tuple[str, int], _Run]:
        """Child runs of this study that exist already, by (stage, number)."""
        found: dict[tuple[str, int], _Run] = {}
        token = None
        while True:
            page = self._client.search_runs(
                [self.experiment],
                filter_string=f"tags.`fer.study` = '{self._study.name}' and tags.`fer.role` = 'trial'",
                max_results=1000,
                page_token=token,
            )
            for run in page:
                tags = run.data.tags
                found[tags["fer.stage"], int(tags["fer.trial"])] = _Run(
                    run.info.run_id, run.info.start_time, run.info.status
                )
            token = page.token
            if not token:
                return found

    def _open_parent(self) -> _Run:
        name = self._study.name
        existing = self._client.search_runs(
            [self.experiment],
            filter_string=f"tags.`fer.study` = '{name}' and tags.`fer.role` = 'study'",
            max_results=1,
        )
        if existing:
            run = existing[0]
            self._client.update_run(run.info.run_id, status="RUNNING")
            return _Run(run.info.run_id, run.info.start_time, "RUNNING")
        spec, split = self._study.spec, self._study.split
        tags = {
            "fer.study": name,
            "fer.role": "study",
            "fer.person_independent": str(split.person_independent).lower(),
            "fer.selected_on": "validation" if spec.protocol.validation_fraction else "the reported folds",
        }
        run = self._client.create_run(self.experiment, tags=tags, run_name=name)
        self._client.log_batch(
            run.info.run_id,
            params=[Param(path, str(value)) for path, value in flatten(spec).items() if value is not None],
            tags=[RunTag(key, value) for key, value in self._common_tags().items()],
        )
        return _Run(run.info.run_id, run.info.start_time, "RUNNING")

    def _common_tags(self) -> dict[str, str]:
        study = self._study
        return {
            **{f"fer.{key}": value for key, value in self._provenance.items()},
            "fer.data_fingerprint": study.samples.fingerprint,
            "fer.split_hash": study.split.hash,
        }

    def _has_ended(self, stage: str, number: int, status: str) -> bool:
        run = self._runs.get((stage, number))
        return run is not None and run.status == status

    def _begin(self, trial: Trial, seed: int | None) -> _Run:
        key = (trial.stage, trial.number)
        if key in self._runs:
            run = self._runs[key]
            if run.status != "RUNNING":
                self._client.update_run(run.id, status="RUNNING")
                run = self._runs[key] = _Run(run.id, run.start_ms, "RUNNING")
            return run
        prefix = "confirm " if trial.stage == "confirm" else ""
        label = "base" if trial.number == 0 else f"trial {trial.number}"
        tags = {
            "mlflow.parentRunId": self._parent.id,
            "fer.study": self._study.name,
            "fer.role": "trial",
            "fer.stage": trial.stage,
            "fer.trial": str(trial.number),
            "fer.assignments": describe(trial.assignments),
            **({} if seed is None else {"fer.seed": str(seed)}),
            **self._common_tags(),
        }
        created = self._client.create_run(self.experiment, tags=tags, run_name=prefix + label)
        run = self._runs[key] = _Run(created.info.run_id, created.info.start_time, "RUNNING")
        params = [Param(path, str(value)) for path, value in flatten(trial.config).items() if value is not None]
        self._client.log_batch(run.id, params=params)
        return run

    def _end(self, event: TrialFinished) -> None:
        run = self._begin(event.trial, None)
        status = _STATUS[event.row.state]
        tags = [RunTag("fer.state", event.row.state), RunTag("fer.note", event.row.note)]
        if event.reused_from is not None:
            tags.append(RunTag("fer.reused_from", str(event.reused_from)))
        metrics: list[Metric] = []
        if event.result is not None:
            metrics = [
                *epoch_metrics(event.result, start_ms=run.start_ms),
                *final_metrics(event, self._study.samples, start_ms=run.start_ms),
            ]
        self._client.log_batch(run.id, metrics=metrics, tags=tags)
        with log_folder(self._client, run.id) as folder:
            write_trial_artifacts(folder, event, self._study.samples)
        end_ms = None if event.reused_from is not None else max(run.start_ms + int(1000 * event.row.seconds), _now_ms())
        self._client.set_terminated(run.id, status=status, end_time=end_ms)
        self._runs[event.trial.stage, event.trial.number] = _Run(run.id, run.start_ms, status)

    def _study_metrics(self, summary: Summary) -> list[Metric]:
        """Best value so far over the trials, and the confirmed difference; timestamps derive from the start."""
        sign = 1.0 if summary.goal == "maximize" else -1.0
        metrics, best = [], float("-inf")
        for row in summary.rows:
            if row.state == "complete" and row.mean is not None:
                best = max(best, sign * row.mean)
                when = self._parent.start_ms + row.number
                metrics.append(Metric("search/best_so_far", sign * best, when, row.number))
        for place, confirmed in enumerate(summary.confirmed):
            name = "base" if confirmed.comparison is None else f"trial_{confirmed.trial.number}"
            metrics.append(Metric(f"confirmed/{name}", confirmed.metric.mean, self._parent.start_ms, place))
        return metrics


def _now_ms() -> int:
    return int(time.time() * 1000)


def _note(summary: Summary, study: OpenStudy) -> str:
    """The study's page in the UI: markdown."""
    labels = "\n".join(f"- {label}" for label in summary.labels)
    return f"{study.spec.description}\n\n**{answer(summary)}**\n\n{labels}\n\nEnded by {summary.reason or 'interruption'}."



