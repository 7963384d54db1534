"""The tracker: events in, MLflow runs out. One experiment per sweep name, a parent run per study, a child per trial.

Everything written is a function of the event and of its run, so writing twice writes the same: after an outage or a
crash the same events are simply written again. Runs are found again by their tags.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Param, Run, RunTag

from fer_sweep.spec import flatten
from fer_sweep.spec.search import Scalar
from fer_sweep.study.events import EpochReported, Trial, TrialFinished, TrialStarted
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.identity import identity
from fer_sweep.study.keys import trial_seed
from fer_sweep.study.summary import describe
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.client import experiment_id, store_errors
from fer_sweep.tracking.entries import StudyEnded, StudyOpened, TrackedEvent
from fer_sweep.tracking.known_runs import KnownRun, RunKey, belongs, content, key_of, known, runs_named, study_tags
from fer_sweep.tracking.outbox import Entry
from fer_sweep.tracking.scales import label_of
from fer_sweep.tracking.study_artifacts import write_study_artifacts
from fer_sweep.tracking.study_page import study_metrics, study_note, trial_note
from fer_sweep.tracking.trial_artifacts import draw_trial
from fer_sweep.tracking.trial_metrics import epoch_metrics, final_metrics, report_metrics
from fer_sweep.tracking.upload import log_folder

_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
_REMEDY = "Nothing is lost: fer-sweep sync sends what is missing once it answers again."


class Tracker:
    """Writes one study to one MLflow store. Raises TrackingError when the store does not answer, TrackingRefused when
    it does not take what it is given. `provenance` is what the process that trains says of itself."""

    def __init__(self, client: MlflowClient, facts: StudyFacts, files: StudyFiles, store: Store) -> None:
        self._client, self._facts, self._files = client, facts, files
        self.provenance: Mapping[str, str] = {}
        with self._errors():
            self.experiment = experiment_id(client, facts.spec.name, store.artifacts)
            self._runs: dict[RunKey, KnownRun] = {}
            trials = [run for run in runs_named(client, self.experiment, facts.name, "trial") if belongs(run, facts)]
            for run in sorted(trials, key=content, reverse=True):  # the fullest first
                tags = run.data.tags
                self._keep_first(run, (tags["fer.stage"], int(tags["fer.trial"]), tags["fer.split_hash"]))
            self._parent: KnownRun | None = None
            named = list(runs_named(client, self.experiment, facts.name, "study"))
            studies = [run for run in named if belongs(run, facts)]
            self.namesakes = len(named) - len(studies)
            """How many studies of other homes have this name in this store."""
            with_trials = {run.parent for run in self._runs.values()}
            for run in sorted(studies, key=lambda run: (run.info.run_id in with_trials, content(run)), reverse=True):
                if self._parent is None:
                    self._parent = known(run)
                else:
                    client.delete_run(run.info.run_id)

    @property
    def parent_run(self) -> str | None:
        """Id of the study's run, once it has one."""
        return None if self._parent is None else self._parent.id

    def holds(self, entry: Entry) -> bool:
        """Whether the store has what an entry says already, if it was sent once. (What was deleted in the UI, or left
        unfinished by a crash, it has not.)"""
        match entry.kind:
            case "opened":
                return self._parent is not None
            case "ended":
                return self._parent is not None and self._parent.status != "RUNNING"
            case "finished":
                body = entry.body
                run = self._runs.get((body["stage"], body["number"], body["split"]))
                return run is not None and self._is_ended(run, body["row"]["state"])
            case _:
                return True

    def require_writing(self) -> None:
        """Raises TrackingError if the store does not even take a tag: a new value, or nothing would be written."""
        assert self._parent is not None
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._errors():
            self._client.set_tag(self._parent.id, "fer.last_set_aside", now)

    def record(self, event: TrackedEvent, *, at: int, drawn: Path | None = None) -> None:
        """Write what an event says that happened at this time (ms since 1970). Writing it again changes nothing.
        drawn: a folder with the artifacts of a trial that has finished, if they are drawn already."""
        with self._errors():
            match event:
                case StudyOpened(provenance=provenance):
                    self.provenance = provenance
                    self._open_parent(at)
                case TrialStarted(trial=trial):
                    if not self._has_result(trial):
                        self._begin(trial, at)
                case EpochReported(trial=trial):
                    if not self._has_result(trial):
                        self._report(event, at)
                case TrialFinished(trial=trial, row=row):
                    run = self._runs.get(key_of(trial))
                    if run is None or not self._is_ended(run, row.state):
                        self._end(event, at, drawn)
                case StudyEnded():
                    self._finish(event, at)

    # -- the study -----------------------------------------------------------------------------------------------------

    def _open_parent(self, at: int) -> KnownRun:
        if self._parent is None:
            spec, split = self._facts.spec, self._facts.split
            tags = {
                "fer.role": "study",
                "fer.person_independent": str(split.person_independent).lower(),
                "fer.selected_on": "validation" if split.has_validation else "the reported folds",
                "mlflow.note.content": spec.description,
                **{f"fer.{key}": value for key, value in self.provenance.items()},
                **self._common_tags(split.hash),
            }
            run = self._client.create_run(self.experiment, start_time=at, tags=tags, run_name=self._facts.name)
            self._parent = known(run)
        # what may change between two runs of a study (run_cap, budget) is in sweep.yaml: MLflow's params never change
        fixed = identity(self._facts.spec, fingerprint="", split_hash="")
        self._parent = self._reopen(self._parent, {path: v for path, v in fixed.items() if not path.startswith("(")})
        return self._parent

    def _finish(self, event: StudyEnded, at: int) -> None:
        """The study's own run: the ranked table, the pictures, the answer."""
        parent = self._parent or self._open_parent(at)
        for key, run in self._runs.items():
            if run.status == "RUNNING":
                self._client.set_terminated(run.id, status="KILLED", end_time=at)
                self._runs[key] = replace(run, status="KILLED")
        with log_folder(self._client, parent.id) as folder:
            write_study_artifacts(folder, event.summary, event.importances, self._facts, self._files)
        tags = [RunTag("mlflow.note.content", study_note(event.summary, self._facts.spec.description))]
        metrics = study_metrics(event.summary, start_ms=parent.start_ms)
        self._client.log_batch(parent.id, metrics=metrics, tags=tags)
        self._client.set_terminated(parent.id, status=event.status, end_time=at)
        self._parent = replace(parent, status=event.status)

    # -- trials --------------------------------------------------------------------------------------------------------

    def _begin(self, trial: Trial, at: int) -> KnownRun:
        key, parent = key_of(trial), self._parent or self._open_parent(at)
        run = self._runs.get(key)
        if run is None:
            run = known(self._create(trial, parent, at))
        elif run.parent != parent.id:  # somebody deleted the study's run, and it was made anew
            self._client.set_tag(run.id, "mlflow.parentRunId", parent.id)
            run = replace(run, parent=parent.id)
        settings = flatten(trial.config)
        searched = {path: settings[path] for path in self._facts.spec.parameters if path in settings}
        self._runs[key] = self._reopen(run, {**searched, **settings})  # the UI keeps the order
        return self._runs[key]

    def _create(self, trial: Trial, parent: KnownRun, at: int) -> Run:
        label = "base" if trial.number == 0 else f"trial {trial.number}"
        tags = {
            "mlflow.parentRunId": parent.id,
            "mlflow.note.content": describe(trial.assignments),
            "fer.role": "trial",
            "fer.stage": trial.stage,
            "fer.trial": str(trial.number),
            "fer.seed": str(trial_seed(self._facts.spec.seed, trial)),
            **self._common_tags(trial.split_hash),
        }
        name = f"confirm {label}" if trial.stage == "confirm" else label
        return self._client.create_run(self.experiment, start_time=at, tags=tags, run_name=name)

    def _report(self, event: EpochReported, at: int) -> None:
        """One look at a trial that is on its way."""
        run = self._begin(event.trial, at)
        run = self._with_pace(event.trial, run, (at - run.start_ms) / max(event.report.epoch, 1))
        assert run.ms_per_epoch is not None
        metrics = report_metrics(event.report, start_ms=run.start_ms, ms_per_epoch=run.ms_per_epoch)
        self._client.log_batch(run.id, metrics=metrics)

    def _end(self, event: TrialFinished, at: int, drawn: Path | None) -> None:
        run = self._begin(event.trial, at)
        row, result, metrics = event.row, event.result, []
        tags = [RunTag("mlflow.note.content", trial_note(row, event.trial, metric=self._facts.spec.metric.name))]
        note = row.note
        if result is None and row.state in ("complete", "pruned"):
            note = f"{note} The result file is gone or damaged, so there are no details.".strip()
        if note:
            tags.append(RunTag("fer.note", note))
        if row.origin:
            tags.append(RunTag("fer.origin", row.origin))
        if event.reused_from is not None:
            tags.append(RunTag("fer.reused_from", str(event.reused_from)))
        if result is not None:
            epochs = result.reports[-1].last_epoch if result.reports else 1
            run = self._with_pace(event.trial, run, 1000 * result.seconds / max(epochs, 1))
            assert run.ms_per_epoch is not None
            metrics = [
                *final_metrics(event, self._facts.samples, start_ms=run.start_ms),
                *epoch_metrics(result, start_ms=run.start_ms, ms_per_epoch=run.ms_per_epoch),
            ]
        self._client.log_batch(run.id, metrics=metrics, tags=tags)
        if drawn is not None:
            self._client.log_artifacts(run.id, str(drawn))
        else:
            with log_folder(self._client, run.id) as folder:
                draw_trial(folder, event, self._facts, self._files)
        self._client.set_tag(run.id, "fer.state", row.state)
        self._client.set_terminated(run.id, status=_STATUS[row.state], end_time=at)
        self._runs[key_of(event.trial)] = replace(run, status=_STATUS[row.state], state=row.state)

    def _with_pace(self, trial: Trial, run: KnownRun, ms_per_epoch: float) -> KnownRun:
        """The run with its time per epoch, decided now unless it was before: a point written twice needs one time."""
        if run.ms_per_epoch is None:
            run = replace(run, ms_per_epoch=float(f"{ms_per_epoch:.6g}"))
            self._client.set_tag(run.id, "fer.ms_per_epoch", str(run.ms_per_epoch))
            self._runs[key_of(trial)] = run
        return run

    def _has_result(self, trial: Trial) -> bool:
        run = self._runs.get(key_of(trial))
        return run is not None and run.state is not None

    def _is_ended(self, run: KnownRun, state: str) -> bool:
        """Whether all of a finished trial has been written. An interrupted run is KILLED too, but has no state yet."""
        if self._parent is None or run.parent != self._parent.id:
            return False
        return (run.status, run.state) == (_STATUS[state], state)

    # -- runs ----------------------------------------------------------------------------------------------------------

    def _keep_first(self, run: Run, key: RunKey) -> None:
        """A store that answered too late may have made a run twice: the second goes."""
        if key in self._runs:
            self._client.delete_run(run.info.run_id)
        else:
            self._runs[key] = known(run)

    def _reopen(self, run: KnownRun, settings: Mapping[str, Scalar | None]) -> KnownRun:
        """The run, RUNNING and with its params, which a crash may have kept from being written."""
        if not run.has_params:
            params = [Param(path, label_of(value)) for path, value in settings.items() if value is not None]
            self._client.log_batch(run.id, params=params)
        if run.status != "RUNNING":
            self._client.update_run(run.id, status="RUNNING")
        return replace(run, status="RUNNING", has_params=True)

    def _common_tags(self, split_hash: str) -> dict[str, str]:
        """On every run: its data and splits, and where it was made, because a study may move between two runs."""
        named = {"mlflow.source.git.commit": "git.sha", "fer.git.dirty": "git.dirty", "fer.hostname": "hostname"}
        return {
            "mlflow.source.name": "fer-sweep",
            "mlflow.source.type": "LOCAL",
            **{tag: self.provenance[key] for tag, key in named.items() if key in self.provenance},
            **study_tags(self._facts),
            "fer.data_fingerprint": self._facts.fingerprint,
            "fer.split_hash": split_hash,
        }

    def _errors(self) -> AbstractContextManager[None]:
        return store_errors(self._client.tracking_uri, _REMEDY)
