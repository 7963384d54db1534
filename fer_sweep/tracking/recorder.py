"""The recorder: the coordinator's end of tracking. Every event goes to the outbox, durably where it matters, and that
is all: writing to MLflow is another process's work. Light: loads no MLflow.
"""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from fer_sweep.data.pictures import Pictures
from fer_sweep.study.events import EpochReported, Event, Trial, TrialFinished, TrialStarted
from fer_sweep.study.replay import replay
from fer_sweep.study.study import OpenStudy
from fer_sweep.study.summary import Summary
from fer_sweep.tracking.entries import Status, StudyEnded, StudyOpened, TrackedEvent, to_entry
from fer_sweep.tracking.outbox import Entry, Outbox, read_outbox
from fer_sweep.tracking.removed_faces import save_faces

LIVE_SECONDS = 5.0
"""Between two looks at a trial on its way. Trials that are shorter are written when they have ended."""


class Recorder:
    """Writes a study's events to its outbox. `dropped`: bytes of a torn end, `damaged`: lines that cannot be read.

    Raises TrackingError where the disk takes no more.
    """

    def __init__(self, study: OpenStudy, *, provenance: Mapping[str, str]) -> None:
        self._study = study
        self._outbox = Outbox(study.files.outbox)
        self.dropped = self._outbox.dropped
        lines = [line.entry for line in read_outbox(study.files.outbox)]
        self.damaged = lines.count(None)
        self._finished = {_finished(entry) for entry in lines if entry is not None and entry.kind == "finished"}
        self._looked_at: dict[tuple[str, int], float] = {}
        self._at = 0
        self._append(StudyOpened(provenance), durable=True)

    def catch_up(self) -> int:
        """Take in finished trials of the search that the outbox lacks: those of an older home, or of a crash just
        before they were noted. Returns how many."""
        split = self._study.split.hash
        ended = [row for row in self._study.store.rows() if row.state in ("complete", "pruned", "failed")]
        missing = [row.number for row in ended if ("search", row.number, split, row.state) not in self._finished]
        for event in replay(self._study, missing):
            self.record(event)
        return len(missing)

    def record(self, event: Event) -> None:
        """Note one event."""
        match event:
            case TrialStarted(trial=trial):
                self._looked_at[_key(trial)] = time.monotonic()
                self._append(event, durable=False)
            case EpochReported(trial=trial):
                now = time.monotonic()
                if now - self._looked_at.get(_key(trial), now) >= LIVE_SECONDS:
                    self._looked_at[_key(trial)] = now
                    self._append(event, durable=False)
            case TrialFinished(trial=trial, row=row):
                self._looked_at.pop(_key(trial), None)
                key = (trial.stage, trial.number, trial.split_hash, row.state)
                if key not in self._finished:
                    self._finished.add(key)
                    self._keep_faces(event)
                    self._append(event, durable=True)
            case _:
                pass

    def finish(self, summary: Summary, importances: Mapping[str, float], *, status: Status) -> None:
        """Note what was found and how the study ended."""
        self._append(StudyEnded(status, summary, importances), durable=True)

    def _keep_faces(self, event: TrialFinished) -> None:
        pictures = self._study.samples.x
        if isinstance(pictures, Pictures) and event.result is not None and event.reused_from is None:
            save_faces(self._study.files.faces(event.trial.stage, event.trial.number), event.result, pictures)

    def _append(self, event: TrackedEvent, *, durable: bool) -> None:
        self._at = max(self._at, time.time_ns() // 1_000_000)  # nothing ends before it begins if the clock is set back
        self._outbox.append(to_entry(event, at=self._at), durable=durable)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._outbox.__exit__(kind, error, trace)


def _finished(entry: Entry) -> tuple[str, int, str, str]:
    body = entry.body
    return body["stage"], body["number"], body["split"], body["row"]["state"]


def _key(trial: Trial) -> tuple[str, int]:
    return trial.stage, trial.number
