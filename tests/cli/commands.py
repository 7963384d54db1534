"""The real command in a real process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FER_SWEEP = [str(Path(sys.executable).parent / "fer-sweep")]

Finished = subprocess.CompletedProcess[str]


def environment(**extra: str) -> Mapping[str, str]:
    unwanted = ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "MLFLOW_TRACKING_URI")
    kept = {k: v for k, v in os.environ.items() if k not in unwanted}
    return {**kept, "PYTHONWARNINGS": "ignore", **extra}


def fer_sweep(*arguments: object, **extra: str) -> Finished:
    return subprocess.run(
        [*FER_SWEEP, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment(**extra),
        timeout=120,
        check=False,
    )


def start(*arguments: object, folder: Path, session: bool = True, extra: Mapping[str, str] | None = None) -> "Started":
    return Started([*FER_SWEEP, *map(str, arguments)], folder, session=session, extra=extra or {})


class Started:
    """A command that runs; what it prints is in two files."""

    def __init__(self, command: list[str], folder: Path, *, session: bool, extra: Mapping[str, str]) -> None:
        self._out, self._err = folder / "stdout.txt", folder / "stderr.txt"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=err, env=environment(**extra), start_new_session=session
            )

    @property
    def stdout(self) -> str:
        return self._out.read_text()

    @property
    def stderr(self) -> str:
        return self._err.read_text()

    def wait_for(self, ready: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.stderr}"
            assert time.monotonic() < deadline, f"not ready in {seconds} s: {self.stdout} {self.stderr}"
            time.sleep(0.02)

    def end(self, how: signal.Signals, seconds: float = 60) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout=seconds)
