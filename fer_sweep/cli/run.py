"""fer-sweep run: the main job. Read, check, search, track, confirm, and say what came out."""

import json
from contextlib import closing, nullcontext
from dataclasses import asdict

from fer_sweep.cli import tables
from fer_sweep.cli.console import err, out, warn
from fer_sweep.cli.interruption import Cancelled, Interruption
from fer_sweep.cli.progress import StudyProgress
from fer_sweep.cli.tracking import TrackingWatch, say_damage
from fer_sweep.data import load_samples
from fer_sweep.data.cache import Cache
from fer_sweep.errors import TrackingError
from fer_sweep.execution.executor import Executor
from fer_sweep.execution.opening import open_executor, require_executor
from fer_sweep.spec import SweepSpec
from fer_sweep.study.base import planned_trials
from fer_sweep.study.events import StudyCancelled, StudyFinished
from fer_sweep.study.home import Home
from fer_sweep.study.importance import importance
from fer_sweep.study.study import OpenStudy, open_study, run_study
from fer_sweep.study.summary import Summary, answer, summarize
from fer_sweep.tracking.address import Store, store_of
from fer_sweep.tracking.entries import Status
from fer_sweep.tracking.provenance import provenance
from fer_sweep.tracking.recorder import Recorder
from fer_sweep.tracking.sent import sent_to
from fer_sweep.tracking.writer_process import WriterProcess
from fer_sweep.training.pretraining import note_pretraining
from fer_sweep.training.trials import require_weights

NO_VALID_TRIAL = 3


def run_sweep(
    spec: SweepSpec, *, branch: bool, tracking_uri: str | None, offline: bool, place: Home, as_json: bool
) -> int:
    """Run or resume a sweep. Returns the exit code. Raises TrackingError when all is done but not all is in MLflow."""
    summary, left = conduct(spec, place, branch=branch, tracking_uri=tracking_uri, offline=offline)
    if as_json:
        out.print_json(json.dumps(_as_json(summary)))
    else:
        out.print()
        tables.print_result(out, summary)
        if left is None:
            store = store_of(tracking_uri, place)
            out.print(where_to_look(place, store, summary.study, offline=offline), soft_wrap=True)
    if left is not None:
        raise TrackingError(left)
    return 0 if summary.best is not None else NO_VALID_TRIAL


def conduct(
    spec: SweepSpec, place: Home, *, branch: bool, tracking_uri: str | None, offline: bool
) -> tuple[Summary, str | None]:
    """Run or resume a sweep with its progress on the terminal. Returns what it found, and what to do about entries that
    could not be written to MLflow, None if there are none."""
    require_executor(spec.resources)
    # first, because it takes seconds until MLflow is there, and on another core
    store = store_of(tracking_uri, place)
    known = sent_to(place.study(spec.name), store).end > 0
    with nullcontext() if offline else WriterProcess(store, place, known=known) as writer:
        faces = getattr(spec.data, "face", "whole") != "whole"
        with err.status("looking for faces" if faces else "reading the data"):
            samples = load_samples(spec.data, Cache(place.cache))
            require_weights(spec)
            samples = note_pretraining(samples, spec)
        for warning in samples.warnings:
            warn(warning)
        with open_study(spec, samples, place, branch=branch) as study:
            watch = TrackingWatch(writer, study.name, place, store)
            with Recorder(study, provenance=provenance()) as recorder:
                say_damage(err, dropped=recorder.dropped, damaged=recorder.damaged)
                watch.begin()
                with open_executor(spec.resources, samples) as executor, Interruption() as interruption:
                    summary = _follow(study, executor, recorder, watch, interruption)
                    interruption.check()  # what came after the last event shall not be waited out
            return summary, watch.finish()


def _follow(
    study: OpenStudy, executor: Executor, recorder: Recorder, watch: TrackingWatch, interruption: Interruption
) -> Summary:
    """Let the study run, note and show every event, and note the right status whatever happens."""
    done = sum(row.state in ("complete", "pruned", "failed") for row in study.store.rows())
    if done:
        err.print(f"resuming study {study.name}: {done} {'trial is' if done == 1 else 'trials are'} done")
    recorder.catch_up()
    end = None
    try:
        events = run_study(study, executor=executor)
        with closing(events), StudyProgress(err, total=planned_trials(study.spec), done=done) as progress:
            for event in events:
                recorder.record(event)
                progress.show(event)
                watch.look()
                end = event if isinstance(event, StudyFinished) else end
                if isinstance(event, StudyCancelled):
                    raise Cancelled
                interruption.check()
        return _finish(study, recorder, end, status="FINISHED")
    except BaseException as error:
        _finish(study, recorder, end, status="KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        left = watch.finish()
        if left is not None:  # what ended the study matters more
            warn(left)
        raise


def _finish(study: OpenStudy, recorder: Recorder, end: StudyFinished | None, *, status: Status) -> Summary:
    summary = summarize(
        study.name,
        study.spec,
        study.samples,
        study.split,
        study.store.rows(),
        confirmed=() if end is None else end.confirmed,
        reason="" if end is None else end.reason,
    )
    recorder.finish(summary, importance(study.store.trials(), study.spec.metric.goal), status=status)
    return summary


def where_to_look(home: Home, store: Store, study: str, *, offline: bool) -> str:
    """Where the runs of a study can be seen, or how they get there."""
    if offline:
        return f"It is not in MLflow yet. Send it: fer-sweep sync {study}{store.options(home)}"
    if store == store_of(None, home):
        return f"Browse it in the MLflow UI: fer-sweep serve{home.option}   then open http://127.0.0.1:5000"
    return f"Browse it at {store.name}" if store.artifacts is None else f"It is in the MLflow store {store.name}"


def _as_json(summary: Summary) -> dict[str, object]:
    return {
        "study": summary.study,
        "metric": summary.metric,
        "goal": summary.goal,
        "part": summary.part,
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
