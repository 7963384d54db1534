"""What an outage of the MLflow server costs a sweep: nothing, if all is well.

    python benchmarks/outages.py [--quick]

The same sweep runs twice against a real `mlflow server` on SQLite: undisturbed, and with the server killed in the
middle, away for a minute, and started again on its store. Both take turns at being first, for a machine's speed drifts.
What the store holds afterwards is compared, point by point and file by file.
"""

import argparse
import hashlib
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

import mlflow
from mlflow import MlflowClient

SWEEP = """\
name: {name}
data: {{source: synthetic_features, samples: 350, persons: 40, seed: 1}}
protocol: {{folds: 2, repeats: 5, seed: 0}}
model: {{kind: mlp, hidden_units: 100}}
train: {{optimizer: adam, learning_rate: 0.003, epochs: {epochs}}}
removal: {{rule: none}}
method: random
parameters:
  train.learning_rate: {{distribution: log_uniform_values, min: 1e-3, max: 1e-1}}
resources: {{trials_at_once: 1}}
run_cap: {trials}
"""
CHANGING = ("trials.csv", "sweep.yaml", "config.yaml", "answer.txt")
"""Files with times or the study's name in them."""
ENVIRONMENT = {
    **os.environ,
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "PYTHONWARNINGS": "ignore",
}


class Server:
    """A real server on the store in a folder; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = folder
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1",
             "--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db",
             "--artifacts-destination", str(self._folder / "artifacts")],
            env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        while wait and not self._answers():
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except URLError:
            return False

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def run_sweep(folder: Path, server: Server, text: str, *, kill_after: int | None, away: float) -> tuple[float, float]:
    """Seconds until the last trial has trained, and until the command has ended."""
    file, log = folder / "sweep.yaml", folder / "log.txt"
    file.write_text(text)
    begun = time.monotonic()
    with log.open("wb") as written, subprocess.Popen(
        [sys.executable, "-m", "fer_sweep.cli.app", "run", str(file), "--home", str(folder / "home"),
         "--tracking-uri", server.url],
        env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=written,
    ) as process:  # fmt: skip
        trained = 0.0
        lines = 0
        killed = kill_after is None
        back_at: float | None = None
        while process.poll() is None:
            time.sleep(0.05)
            now = time.monotonic() - begun
            if (found := log.read_text().count(" complete")) > lines:
                lines, trained = found, now
            if not killed and kill_after is not None and lines >= kill_after:
                server.kill()
                killed, back_at = True, now + away
            if back_at is not None and now >= back_at:
                server.start(wait=False)
                back_at = None
    if process.returncode != 0:
        raise SystemExit(log.read_text())
    return trained, time.monotonic() - begun


def content(folder: Path, name: str) -> dict[tuple[str, str], object]:
    """All that the store in a folder holds of a study, without times: statuses, params, points, files by their hash.
    Reads database and files themselves, which takes a tenth of the time that asking the server does."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    found: dict[tuple[str, str], object] = {}
    for run in client.search_runs([experiment.experiment_id]):
        label = run.info.run_name.replace(name, "the study")
        assert (label, "status") not in found, f"{label} exists twice"
        found[label, "status"] = run.info.status
        found[label, "params"] = dict(run.data.params) | {"name": ""}
        for key in set(run.data.metrics) - {"seconds"}:
            history = client.get_metric_history(run.info.run_id, key)
            found[label, key] = sorted((point.step, point.value) for point in history)
        for file in (folder / "artifacts").glob(f"*/{run.info.run_id}/artifacts/**/*"):
            if file.is_file():
                same = file.name not in CHANGING
                found[label, file.name] = hashlib.sha256(file.read_bytes()).hexdigest() if same else ""
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes, to see that it works")
    quick = parser.parse_args().quick
    trials, epochs, rounds, kill_after, away = (3, 200, 1, 1, 0.5) if quick else (45, 8000, 4, 8, 60.0)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, mlflow {mlflow.__version__}")
    print(f"{trials} trials; the server is killed after {kill_after} of them and started again {away:g} s later")
    os.environ.update(ENVIRONMENT)
    ratios: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        server = Server(root)
        try:
            for number in range(rounds):
                times = {}
                kinds = ("undisturbed", "disturbed")
                for kind in kinds if number % 2 == 0 else reversed(kinds):
                    folder = root / f"{kind}{number}"
                    folder.mkdir()
                    text = SWEEP.format(name=f"{kind}{number}", epochs=epochs, trials=trials)
                    after = kill_after if kind == "disturbed" else None
                    times[kind] = run_sweep(folder, server, text, kill_after=after, away=away)
                    print(
                        f"round {number}, {kind}: trained in {times[kind][0]:.1f} s, ended after {times[kind][1]:.1f} s"
                    )
                calm, rough = (content(root, f"{kind}{number}") for kind in kinds)
                difference = {key for key in calm.keys() | rough.keys() if calm.get(key) != rough.get(key)}
                print(f"round {number}: {len(calm)} series, params and files, {len(difference)} differ")
                ratios.append(
                    (times["disturbed"][0] / times["undisturbed"][0], times["disturbed"][1] / times["undisturbed"][1])
                )
        finally:
            server.kill()
    trained, ended = (statistics.median(ratio) for ratio in zip(*ratios, strict=True))
    print(f"disturbed against undisturbed, medians: until trained {trained:.3f}, until ended {ended:.3f}")


if __name__ == "__main__":
    main()
