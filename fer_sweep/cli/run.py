"""fer-sweep run: the main job. Read, check, search, track, confirm, and say what came out."""

import json
import shlex
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path

from fer_sweep.cli import tables
from fer_sweep.cli.console import err, out
from fer_sweep.cli.interruption import Interruption
from fer_sweep.cli.progress import StudyProgress
from fer_sweep.data import load_samples
from fer_sweep.data.cache import Cache
from fer_sweep.errors import TrackingError
from fer_sweep.spec import SweepSpec
from fer_sweep.study.base import planned_trials
from fer_sweep.study.events import StudyFinished
from fer_sweep.study.home import DEFAULT_HOME, Home
from fer_sweep.study.replay import replay
from fer_sweep.study.study import OpenStudy, open_study, run_study
from fer_sweep.study.summary import Summary, answer, importance, summarize
from fer_sweep.tracking.client import local_uri, open_client
from fer_sweep.tracking.provenance import provenance, without_passwords
from fer_sweep.tracking.tracker import Tracker
from fer_sweep.training.trials import choose_device, require_weights

NO_VALID_TRIAL = 3


def run_sweep(spec: SweepSpec, *, branch: bool, tracking_uri: str | None, home: Path, as_json: bool) -> int:
    """Run or resume a sweep. Returns the exit code."""
    place = Home(home)
    samples = load_samples(spec.data, Cache(place.cache))
    for warning in samples.warnings:
        err.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    require_weights(spec)
    uri = tracking_uri or local_uri(place)
    client = open_client(uri, place)
    artifacts = None if uri.startswith(("http://", "https://")) else place.artifacts
    with open_study(spec, samples, place, branch=branch) as study:
        tracker = Tracker(client, study, artifacts=artifacts, provenance=provenance())
        with Interruption() as interruption:
            summary, lost = _follow(study, tracker, interruption)
    if as_json:
        out.print_json(json.dumps(_as_json(summary)))
    else:
        out.print()
        tables.print_result(out, summary)
        out.print(_where_to_look(place, tracking_uri), soft_wrap=True)
    if lost is not None:
        raise lost
    return 0 if summary.best is not None else NO_VALID_TRIAL


def _follow(study: OpenStudy, tracker: Tracker, interruption: Interruption) -> tuple[Summary, TrackingError | None]:
    """Let the study run, track and show every event, and leave the right status whatever happens. A store that stops
    answering does not stop the study: its error comes back with the summary."""
    done = sum(row.state in ("complete", "pruned", "failed") for row in study.store.rows())
    if done:
        err.print(f"resuming study {study.name}: {done} {'trial is' if done == 1 else 'trials are'} done")
    _catch_up(study, tracker)
    end, lost = None, None
    try:
        events = run_study(study, device=choose_device(study.spec.resources.device))
        with closing(events), StudyProgress(err, total=planned_trials(study.spec), done=done) as progress:
            for event in events:
                try:
                    if lost is None:
                        tracker.record(event)
                except TrackingError as error:
                    lost = error
                    err.print(f"warning: {error} The study goes on without it.", style="yellow", soft_wrap=True)
                progress.show(event)
                end = event if isinstance(event, StudyFinished) else end
                interruption.check()
        if lost is None:
            _catch_up(study, tracker)
    except BaseException as error:
        with suppress(TrackingError):  # what ended the study matters more
            _finish(study, tracker, end, status="KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    if lost is None:
        return _finish(study, tracker, end, status="FINISHED"), None
    return _summary(study, end), lost


def _catch_up(study: OpenStudy, tracker: Tracker) -> None:
    """Track the finished trials that an interrupted run, or a deletion in the UI, left out."""
    for event in replay(study, tracker.missing(study.store.rows())):
        tracker.record(event)


def _finish(study: OpenStudy, tracker: Tracker, end: StudyFinished | None, *, status: str) -> Summary:
    summary = _summary(study, end)
    tracker.finish(summary, importance(study.store.study), status=status)
    return summary


def _summary(study: OpenStudy, end: StudyFinished | None) -> Summary:
    return summarize(
        study.name,
        study.spec,
        study.samples,
        study.split,
        study.store.rows(),
        confirmed=() if end is None else end.confirmed,
        reason="" if end is None else end.reason,
    )


def _where_to_look(home: Home, tracking_uri: str | None) -> str:
    if tracking_uri is None:
        option = "" if home.root == DEFAULT_HOME else f" --home {shlex.quote(str(home.root))}"
        return f"Browse it in the MLflow UI: fer-sweep serve{option}   then open http://127.0.0.1:5000"
    uri = without_passwords(tracking_uri)
    return f"Browse it at {uri}" if uri.startswith("http") else f"It is in the MLflow store {uri}"


def _as_json(summary: Summary) -> dict[str, object]:
    return {
        "study": summary.study,
        "metric": summary.metric,
        "goal": summary.goal,
        "ended_by": summary.reason,
        "answer": answer(summary),
        "labels": summary.labels,
        "trials": [asdict(row) for row in summary.rows],
        "confirmed": [
            {
                "trial": c.trial.number,
                "assignments": dict(c.trial.assignments),
                "metric": asdict(c.metric),
                "against_base": None if c.comparison is None else asdict(c.comparison),
            }
            for c in summary.confirmed
        ],
    }
