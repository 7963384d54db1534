"""The MLflow server of a project: lean, on the loopback address, over the local store."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.error import URLError

from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home
from fer_sweep.tracking.address import local_uri

HOST = "127.0.0.1"
STARTUP_SECONDS = 60.0


@contextmanager
def running_server(home: Home, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """An MLflow server that answers on http://127.0.0.1:port; ended with the block.

    One worker and no job execution: 2 processes instead of 15. Raises TrackingError if the port is taken, if there is
    nothing to serve, or if the server does not come up.
    """
    if not home.mlflow_file.exists():
        raise TrackingError(
            f"there is no MLflow store in {home.root} yet. Run a sweep first (fer-sweep run sweeps/quickstart.yaml), "
            "or name the folder of an earlier one with --home."
        )
    if _taken(port):
        raise TrackingError(f"port {port} on {HOST} is in use. Stop what listens there, or choose another with --port.")
    process = subprocess.Popen(_command(home, port), env=_environment(home), start_new_session=True)
    try:
        _wait_until_healthy(process, port)
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and its worker, which share a process group of their own."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, ending)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)


def _command(home: Home, port: int) -> list[str]:
    return [
        sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1",
        "--uvicorn-opts", "--log-level warning",
        "--artifacts-destination", home.artifacts.absolute().as_uri(),
    ]  # fmt: skip


def _environment(home: Home) -> dict[str, str]:
    return {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": local_uri(home),  # not on the command line, where every user could read it
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",
    }


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.2)
    raise TrackingError(
        f"the MLflow server on port {port} did not come up within {STARTUP_SECONDS:.0f} s; what it printed above says "
        "why."
    )
