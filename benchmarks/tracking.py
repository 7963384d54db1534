"""What tracking costs: a large trial against logging at every step, a tiny one against plain Optuna and MLflow.

    python benchmarks/tracking.py [--quick] [--others PYTHON]

A large trial is one of the paper's: 2 folds x 10 repeats of 2000 epochs, with removal, all its metrics and pictures.
What the coordinator spends (the outbox) and what the writer spends (MLflow on a local SQLite store, and the pictures)
are timed trial by trial; in between, a naive logger writes every epoch of every series with MlflowClient.log_metric,
for some epochs, from which the whole trial follows.

A tiny trial trains for about a millisecond. Studies of them take turns with plain Optuna (SQLite) whose objective
sleeps for a millisecond and logs one run with MlflowClient, and, where optuna-integration is installed, with its
MLflowCallback. Hydra's Optuna sweeper and Ray Tune are measured in the same rounds where PYTHON (by default this
interpreter) has them: they want other versions of some libraries, so they need an environment of their own, such as
`pip install "hydra-core<1.4" hydra-optuna-sweeper "sqlalchemy<2" "alembic<1.13" "ray[tune]"` makes.
"""

import argparse
import gc
import importlib.util
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import optuna
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from fer_sweep.data import load_samples
from fer_sweep.execution.inline import Inline
from fer_sweep.spec import load_sweep
from fer_sweep.study.events import Event, StudyFinished, TrialFinished
from fer_sweep.study.home import Home
from fer_sweep.study.importance import importance
from fer_sweep.study.study import OpenStudy, open_study, run_study
from fer_sweep.study.summary import summarize
from fer_sweep.tracking.address import store_of
from fer_sweep.tracking.client import open_client
from fer_sweep.tracking.delivery import NothingMore, Written, deliver
from fer_sweep.tracking.outbox import read_outbox
from fer_sweep.tracking.provenance import provenance
from fer_sweep.tracking.recorder import Recorder
from fer_sweep.tracking.writer_process import WriterProcess
from fer_sweep.training.trials import choose_device

LARGE = """\
name: large
data: {{source: synthetic_features, samples: 675, persons: 67, separation: 1.0, wrong_labels: 0.1, seed: 1}}
protocol: {{folds: 2, repeats: {repeats}, split: person, seed: 0}}
model: {{kind: mlp, hidden_units: 10}}
train: {{optimizer: adam, learning_rate: 0.01, epochs: {epochs}}}
removal: {{rule: bdr, start: 50, interval: 50, stop_variance: 0.0}}
method: random
parameters: {{train.learning_rate: {{distribution: log_uniform_values, min: 1.0e-3, max: 1.0e-1}}}}
run_cap: {trials}
"""
TINY = """\
name: tiny
data: {{source: synthetic_features, samples: 60, persons: 12, separation: 2.5, seed: 1}}
protocol: {{folds: 2, repeats: 1, split: person, seed: 0}}
model: {{kind: mlp, hidden_units: 2}}
train: {{optimizer: adam, learning_rate: 0.01, epochs: 5}}
method: random
parameters: {{train.learning_rate: {{distribution: log_uniform_values, min: 1.0e-3, max: 1.0e-1}}}}
run_cap: {trials}
"""
OTHERS = {
    "hydra": ("Hydra's Optuna sweeper, without MLflow", "hydra_plugins.hydra_optuna_sweeper", "hydra-optuna-sweeper"),
    "ray": ("Ray Tune, without MLflow", "ray.tune", "ray[tune]"),
}
"""Other sweepers: what they are called, the module and the package they are in."""
SERIES = ("train_loss", "loss_variance", "active_samples", "train_accuracy", "test_loss", "test_accuracy")
"""What a naive logger writes at every epoch: as many series as the tracker has."""


@dataclass(frozen=True)
class Cost:
    """Seconds of one trial: on the clock, and of this process's processor time."""

    wall: float
    cpu: float


class Workshop:
    """Homes with an MLflow store that exists already: making one takes seconds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        empty = Home(folder / "empty")
        empty.root.mkdir()
        open_client(store_of(None, empty))
        self._empty = empty.mlflow_file

    def home(self) -> Home:
        home = Home(self._folder / uuid.uuid4().hex)
        home.root.mkdir()
        shutil.copy(self._empty, home.mlflow_file)
        return home


@contextmanager
def opened(text: str, home: Home, **settings: int) -> Iterator[OpenStudy]:
    """The study of a sweep file."""
    file = home.root / "sweep.yaml"
    file.write_text(text.format(**settings))
    spec = load_sweep(file)
    with open_study(spec, load_samples(spec.data), home) as study:
        yield study


def stopwatch() -> Callable[[], Cost]:
    """Tells the cost since it was last asked."""
    last = [time.perf_counter(), time.process_time()]

    def read() -> Cost:
        now = [time.perf_counter(), time.process_time()]
        cost = Cost(now[0] - last[0], now[1] - last[1])
        last[:] = now
        return cost

    return read


# -- a large trial -----------------------------------------------------------------------------------------------------


def recorded(study: OpenStudy) -> list[Cost]:
    """Run a study into its outbox. Returns what recording cost, by trial."""
    costs: list[Cost] = []
    wall = cpu = 0.0
    with Recorder(study, provenance=provenance()) as recorder:
        events: list[Event] = []
        watch = stopwatch()
        for event in run_study(study, executor=Inline(study.samples, choose_device("cpu"))):
            watch()
            recorder.record(event)
            cost = watch()
            wall, cpu = wall + cost.wall, cpu + cost.cpu
            if isinstance(event, TrialFinished):
                costs.append(Cost(wall, cpu))
                wall = cpu = 0.0
            events.append(event)
        finish(study, recorder, events[-1])
    return costs


def finish(study: OpenStudy, recorder: Recorder, end: Event) -> None:
    assert isinstance(end, StudyFinished)
    summary = summarize(study.name, study.spec, study.samples, study.split, end.rows, reason=end.reason)
    recorder.finish(summary, importance(study.store.trials(), study.spec.metric.goal), status="FINISHED")


def delivered(study: OpenStudy, home: Home, naive: Callable[[], None]) -> list[Cost]:
    """Write the outbox to MLflow, calling `naive` between two trials. Returns what writing cost, by trial."""
    kinds = [line.entry.kind for line in read_outbox(study.files.outbox) if line.entry is not None]
    gc.freeze()  # as the writer does
    starts: list[Cost] = []
    costs: list[Cost] = []
    watch = stopwatch()
    for progress in deliver(study.facts, study.files, store_of(None, home), NothingMore()):
        cost = watch()
        if not isinstance(progress, Written):
            continue
        kind = kinds.pop(0)
        if kind == "started":  # several trials begin together, and end in the same order
            starts.append(cost)
        elif kind == "finished":
            start = starts.pop(0)
            costs.append(Cost(start.wall + cost.wall, start.cpu + cost.cpu))
            naive()
            watch()
    return costs


class Naive:
    """What a user would write: a call per epoch and series."""

    def __init__(self, home: Home, *, epochs: int) -> None:
        self._client = MlflowClient(tracking_uri=store_of(None, home).uri)
        experiment = self._client.create_experiment("naive", artifact_location=home.artifacts.absolute().as_uri())
        self._run = self._client.create_run(experiment).info.run_id
        self._epochs, self._epoch = epochs, 0
        self.per_call: list[Cost] = []

    def log(self) -> None:
        """Some more epochs."""
        calls, watch = self._epochs * len(SERIES), stopwatch()
        for _ in range(self._epochs):
            for name in SERIES:
                self._client.log_metric(self._run, name, 0.5, step=self._epoch)
            self._epoch += 1
        cost = watch()
        self.per_call.append(Cost(cost.wall / calls, cost.cpu / calls))


def compare_large(workshop: Workshop, *, trials: int, repeats: int, epochs: int, naive_epochs: int) -> None:
    home = workshop.home()
    naive = Naive(workshop.home(), epochs=naive_epochs)
    with opened(LARGE, home, repeats=repeats, epochs=epochs, trials=trials) as study:
        coordinator = recorded(study)
        writer = delivered(study, home, naive.log)
        training = np.median([row.seconds for row in study.store.rows()])
    calls = epochs * len(SERIES)
    print(f"\na trial of 2 folds x {repeats} repeats, {epochs} epochs, medians of {trials}; training: {training:.1f} s")
    print(f"{'':<44}{'wall':>10}{'processor':>12}")
    line("coordinator: the outbox", coordinator)
    line("writer: MLflow on SQLite, pictures, tables", writer)
    run = len(naive.per_call) * naive_epochs * len(SERIES)
    line(f"naive: {calls:,} log_metric calls ({run:,} run)", naive.per_call, calls)
    ratio = np.median([cost.wall for cost in naive.per_call]) * calls / np.median([cost.wall for cost in writer])
    print(f"naive / writer: {ratio:.0f}x")


def line(name: str, costs: list[Cost], times: int = 1) -> None:
    wall, cpu = (float(np.median([getattr(cost, kind) for cost in costs])) * times for kind in ("wall", "cpu"))
    print(f"{name:<44}{spoken(wall):>10}{spoken(cpu):>12}", flush=True)


def spoken(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 0.2 else f"{seconds:.2f} s"


# -- a tiny trial ------------------------------------------------------------------------------------------------------


def ours(home: Home, trials: int, *, tracked: bool) -> tuple[float, float]:
    """Seconds per trial: of the search, and until the writer beside it is through as well."""
    writer = WriterProcess(store_of(None, home), home) if tracked else None
    with opened(TINY, home, trials=trials) as study:
        with Recorder(study, provenance=provenance()) as recorder:
            if writer is not None:
                writer.follow(study.name)
            begun = time.perf_counter()
            for event in run_study(study, executor=Inline(study.samples, choose_device("cpu"))):
                recorder.record(event)
                if writer is not None:
                    writer.poll()
            searched = time.perf_counter() - begun
            finish(study, recorder, event)
        if writer is not None:
            with writer:
                assert [message for message in writer.finish() if message["state"] == "done"]
        whole = time.perf_counter() - begun
    return searched / trials, whole / trials


def plain(home: Home, trials: int) -> float:
    """Seconds per trial of Optuna on SQLite with a run per trial by MlflowClient."""
    client = MlflowClient(tracking_uri=store_of(None, home).uri)
    experiment = client.create_experiment("plain", artifact_location=home.artifacts.absolute().as_uri())

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
        run = client.create_run(experiment, run_name=f"trial {trial.number}").info.run_id
        time.sleep(0.001)
        metrics = [Metric(name, 0.5, time.time_ns() // 1_000_000, 0) for name in ("accuracy", "loss", "seconds")]
        client.log_batch(run, metrics=metrics, params=[Param("learning_rate", str(rate))])
        client.set_terminated(run)
        return rate

    return optimized(home, objective, trials)


def with_callback(home: Home, trials: int) -> float:
    """Seconds per trial with optuna-integration's MLflowCallback."""
    from optuna_integration import MLflowCallback

    callback = MLflowCallback(tracking_uri=store_of(None, home).uri, metric_name="accuracy")

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
        time.sleep(0.001)
        return rate

    return optimized(home, objective, trials, callback)


def optimized(home: Home, objective: Callable[[optuna.Trial], float], trials: int, *callbacks: object) -> float:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(storage=home.optuna_url, study_name="plain", sampler=sampler)
    begun = time.perf_counter()
    study.optimize(objective, n_trials=trials, callbacks=list(callbacks))  # type: ignore[arg-type]
    return (time.perf_counter() - begun) / trials


def installed_others(python: str) -> Iterator[str]:
    """Which other sweepers an interpreter has; says of the rest that they are not measured."""
    for sweeper, (name, module, package) in OTHERS.items():
        if subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0:
            yield sweeper
        else:
            print(f"{name}: not measured, {python} has no {package}")


def other(python: str, sweeper: str, trials: int) -> float:
    """Seconds per trial of another sweeper, in a process of its own."""
    script = Path(__file__).parent / "others" / "sweepers.py"
    done = subprocess.run([python, script, sweeper, str(trials)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{sweeper} failed: {done.stderr}")
    return float(done.stdout.splitlines()[-1])


def compare_tiny(workshop: Workshop, *, trials: int, rounds: int, python: str) -> None:
    others = list(installed_others(python))
    callback = importlib.util.find_spec("optuna_integration") is not None
    times: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        times.setdefault(name, []).append(seconds)

    for _ in range(rounds):
        note("Optuna + MlflowClient", plain(workshop.home(), trials))
        searched, whole = ours(workshop.home(), trials, tracked=True)
        note("fer-sweep, the writer beside it", searched)
        note("fer-sweep --offline", ours(workshop.home(), trials, tracked=False)[0])
        note("the same until the writer is through", whole)
        if callback:
            note("Optuna + MLflowCallback", with_callback(workshop.home(), trials))
        for sweeper in others:
            note(OTHERS[sweeper][0], other(python, sweeper, trials))
    print(f"\na trial that trains for about 1 ms: ms per trial, medians of {rounds} rounds of {trials} trials")
    for name, seconds in times.items():
        ratio = np.median(np.divide(seconds, times["Optuna + MlflowClient"]))
        print(f"{name:<44}{1000 * np.median(seconds):>10.1f}{ratio:>8.2f}x", flush=True)
    if not callback:
        print("Optuna + MLflowCallback: not measured, optuna-integration is not installed")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time what tracking adds to training.")
    parser.add_argument("--quick", action="store_true", help="a few epochs, to see that it runs; the numbers are rough")
    parser.add_argument("--others", metavar="PYTHON", default=sys.executable, help="an interpreter that has them")
    asked = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = provenance()
    print(f"{found['cpu']}, {found['cpu.cores']} cores; Python {platform.python_version()}, "
          f"MLflow {version('mlflow')}, Optuna {version('optuna')}, matplotlib {version('matplotlib')}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        if asked.quick:
            compare_large(workshop, trials=1, repeats=1, epochs=100, naive_epochs=2)
            compare_tiny(workshop, trials=2, rounds=1, python=asked.others)
        else:
            compare_large(workshop, trials=8, repeats=10, epochs=2000, naive_epochs=20)
            compare_tiny(workshop, trials=20, rounds=3, python=asked.others)


if __name__ == "__main__":
    main()
