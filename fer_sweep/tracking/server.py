"""The MLflow server of a project: lean, guarded, over the local store or a database."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fer_sweep.errors import TrackingError
from fer_sweep.tracking.accounts import Accounts
from fer_sweep.tracking.address import without_passwords
from fer_sweep.tracking.listeners import ANYWHERE, listeners
from fer_sweep.tracking.probe import Answer, ask, is_loopback

STARTUP_SECONDS = 120.0
LAST_LINES = 15
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_OTHERS = (
    "_MLFLOW_", "MLFLOW_SERVER_", "MLFLOW_AUTH_", "MLFLOW_TRACKING_", "MLFLOW_REGISTRY_", "MLFLOW_GUNICORN_",
    "MLFLOW_UVICORN_", "MLFLOW_STATIC_PREFIX", "MLFLOW_SERVE_ARTIFACTS", "MLFLOW_ARTIFACTS_ONLY", "MLFLOW_ENABLE_",
)  # fmt: skip
"""Variables of the terminal that would change the server behind our back, or that are none of its business."""


@dataclass(frozen=True)
class Serving:
    """What to serve, and to whom. store_uri: a database; artifacts: address of the folder or bucket of files;
    allowed_hosts: names, besides those of this machine's loopback, by which clients may call the server; accounts: None
    for a server without passwords; log: file for what the server has to say."""

    store_uri: str
    artifacts: str
    host: str
    port: int
    allowed_hosts: tuple[str, ...]
    workers: int
    accounts: Accounts | None
    log: Path

    @property
    def url(self) -> str:
        """The address to open on this machine."""
        host = "127.0.0.1" if self.host in ANYWHERE else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def require_guard(host: str, allowed_hosts: tuple[str, ...], *, auth: bool | None) -> None:
    """Raises TrackingError for a server that others could reach without having been let in on purpose. auth: None if
    nobody has said yes or no."""
    if "*" in allowed_hosts:
        raise TrackingError(
            "--allowed-host '*' would let any web page that somebody opens talk to the server (DNS rebinding). Name "
            "the hosts by which it is called, such as --allowed-host tracking.example.org."
        )
    if is_loopback(host):
        return
    if host in ANYWHERE and not allowed_hosts:
        raise TrackingError(
            f"--host {host} listens on every address of this machine, so the server must know by which names it may be "
            f"called. Name each: --allowed-host {socket.gethostname()} (and --allowed-host ADDRESS for numbers)."
        )
    if auth is None:
        raise TrackingError(
            f"--host {host} lets everybody who can reach this machine read and change all studies. Add --auth, or, if "
            "something in front of the server asks for passwords, --no-auth."
        )


@contextmanager
def running_server(serving: Serving) -> Iterator[subprocess.Popen[bytes]]:
    """An MLflow server that answers questions about its store; ended with the block.

    No job execution and few workers: 2 processes instead of 15. Raises TrackingError if the server does not come up;
    what it said last is in the message.
    """
    serving.log.parent.mkdir(parents=True, exist_ok=True)
    with serving.log.open("wb") as log:
        process = subprocess.Popen(
            _command(serving),
            env=server_environment(serving, os.environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that Ctrl-C in the terminal reaches us alone
        )
    try:
        _wait_until_healthy(process, serving)
        yield process
    finally:
        _end(process)


def last_lines(log: Path) -> str:
    """The end of what a server has said, indented."""
    lines = log.read_text(errors="replace").splitlines()
    return "".join(f"\n  {without_passwords(line)}" for line in lines[-LAST_LINES:]) or " nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and its workers, which share a process group of their own. A signal on the way is no excuse."""
    try:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _command(serving: Serving) -> list[str]:
    """Nothing secret is here: every user of the machine can read it."""
    return [
        sys.executable, "-m", "mlflow", "server", "--host", serving.host, "--port", str(serving.port),
        "--workers", str(serving.workers), "--uvicorn-opts", "--log-level warning",
        *(() if serving.accounts is None else ("--app-name", "basic-auth")),
    ]  # fmt: skip


def server_environment(serving: Serving, ambient: Mapping[str, str]) -> dict[str, str]:
    """The environment of the server: what is ambient, less what would change the server, and what guards it."""
    accounts = serving.accounts
    secret = {} if accounts is None else {
        "MLFLOW_AUTH_CONFIG_PATH": str(accounts.config.absolute()),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": accounts.secret_key,
    }  # fmt: skip
    names = _names(serving)
    return {
        **{name: value for name, value in ambient.items() if not name.startswith(_OTHERS)},
        "MLFLOW_BACKEND_STORE_URI": serving.store_uri,
        "MLFLOW_ARTIFACTS_DESTINATION": serving.artifacts,
        # with the port and without it: clients leave out 80 and 443, as does a proxy in front
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(pattern for name in names for pattern in _with_ports(name)),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(
            f"{scheme}://{pattern}" for name in names for scheme in ("http", "https") for pattern in _with_ports(name)
        ),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # the assistant in the UI would otherwise run commands as us, for everybody on this machine
        "MLFLOW_ENABLE_ASSISTANT_SANDBOX": "true",
        "MLFLOW_ENABLE_REMOTE_ASSISTANT": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_ALLOW_MODEL_CODE_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",
        **secret,
    }


def _names(serving: Serving) -> list[str]:
    own = () if serving.host in ANYWHERE or is_loopback(serving.host) else (serving.host,)
    bracketed = (f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name for name in own)
    return list(dict.fromkeys((*LOOPBACK_NAMES, *bracketed, *serving.allowed_hosts)))


def _with_ports(name: str) -> tuple[str, ...]:
    """A name as MLflow's patterns have it; one that is given with a port stays as it is."""
    if name.startswith("["):
        return name, f"{name.replace('[', '[[]', 1)}:*"
    return (name,) if ":" in name else (name, f"{name}:*")


def require_port(host: str, port: int) -> None:
    """Raises TrackingError for an address that cannot be had, with who has it if that is known."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what a dead server left is no obstacle
        try:
            probe.bind((host, port))
        except OSError as error:
            raise TrackingError(_no_port(host, port, error)) from error


def _no_port(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        holder = next((listener.name for listener in listeners() if listener.port == port), "another process")
        return f"port {port} on {host} is in use by {holder}. Stop it, or choose another port with --port."
    if error.errno == errno.EACCES:
        return f"port {port} is reserved for the system. Choose one from 1024 on with --port."
    return (
        f"--host {host} is no address of this machine ({error.strerror}). Use 127.0.0.1 for this machine alone, one of "
        "its addresses, or 0.0.0.0 for all of them."
    )


def _wait_until_healthy(process: subprocess.Popen[bytes], serving: Serving) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    answer = Answer("unreachable", "it did not answer at all")
    while time.monotonic() < deadline and process.poll() is None:
        answer = ask(serving.url, timeout=5.0)
        if answer.verdict == "answers" or (answer.verdict == "unauthorized" and serving.accounts is not None):
            return
        time.sleep(0.2)
    ended = (
        f"did not come up within {STARTUP_SECONDS:.0f} s ({answer.text})"
        if process.poll() is None
        else f"ended with exit code {process.returncode} before it was up"
    )
    raise TrackingError(f"the MLflow server on port {serving.port} {ended}. Its last words:{last_lines(serving.log)}")
