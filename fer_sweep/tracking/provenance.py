"""Where a study's numbers come from: code, versions, machine. Never environment variables, never secrets."""

import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

import fer_sweep
from fer_sweep.tracking.address import without_passwords

PACKAGES = ("torch", "torchvision", "opencv-python-headless", "numpy", "optuna", "mlflow")
GIT_TIMEOUT = 2.0
"""Seconds; a checkout on a slow network drive is not worth waiting for."""


def provenance() -> Mapping[str, str]:
    """What identifies this process's code and machine, as tags. What cannot be found out is left out.

    git.sha, git.dirty ("true" when a tracked file differs from the commit) of the working directory; version.* of the
    packages; python, platform, hostname, cpu, cpu.cores, memory_gib, gpus; and the command line.
    """
    return {
        **_git(),
        **_versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "hostname": platform.node(),
        "cpu": _cpu_model(),
        "cpu.cores": str(psutil.cpu_count()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        **_gpus(),
        "command": without_passwords(" ".join(sys.argv)),
    }


def _git() -> dict[str, str]:
    """Commit and dirty flag, from one call. Untracked files do not count: a study writes some itself."""
    # without optional locks, so that a user's own git command at the same moment does not fail
    command = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = done.stdout.splitlines()
    sha = next((line.split()[-1] for line in lines if line.startswith("# branch.oid")), "(initial)")
    if sha == "(initial)":
        return {}
    changed = any(not line.startswith("#") for line in lines)
    return {"git.sha": sha, "git.dirty": "true" if changed else "false"}


def _versions() -> dict[str, str]:
    found = {"version.fer-sweep": fer_sweep.__version__}
    for package in PACKAGES:
        try:
            found[f"version.{package}"] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _cpu_model() -> str:
    if platform.system() == "Linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _gpus() -> dict[str, str]:
    """Names of the visible GPUs; only if torch is loaded anyway, because loading it takes seconds."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return {}
    return {"gpus": ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))}
