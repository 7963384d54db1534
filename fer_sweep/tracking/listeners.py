"""Who listens on a port of this machine, as far as the system tells."""

from collections.abc import Iterator
from dataclasses import dataclass

import psutil

ANYWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Listener:
    """A process that listens. address: one of this machine's, or one of ANYWHERE; command: how it was started."""

    pid: int
    address: str
    port: int
    command: str

    @property
    def name(self) -> str:
        """For a message: short."""
        return f"process {self.pid} ({'an MLflow server' if self.is_mlflow else self.command[:80].rstrip()})"

    @property
    def is_mlflow(self) -> bool:
        """Whether it is an MLflow server, as far as its command says."""
        return "mlflow.server" in self.command or "mlflow server" in self.command


def listeners() -> Iterator[Listener]:
    """All that can be seen; those of other users may be missing, and everything where the system does not tell."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.pid is not None:
            try:
                command = " ".join(psutil.Process(connection.pid).cmdline())
            except psutil.Error:  # it has just ended, or is somebody else's
                continue
            yield Listener(connection.pid, connection.laddr.ip, connection.laddr.port, command)


def environment_of(listener: Listener) -> dict[str, str]:
    """The environment a process was started with; empty where it is not for us to see."""
    try:
        return dict(psutil.Process(listener.pid).environ())
    except psutil.Error:
        return {}
