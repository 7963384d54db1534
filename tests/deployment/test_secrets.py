"""The scripts that make secrets and hand them over, as somebody at a terminal meets them."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.deployment.compose import ROOT, deployment
from tests.deployment.services import Finished, make_secrets

WITH_SECRETS = ROOT / "mlflow" / "with-secrets.sh"
RAY_NODE = ROOT / "deploy" / "ray-node.sh"


def run(*command: str, **variables: str) -> Finished:
    environment = {"PATH": "/usr/bin:/bin", **variables}
    return subprocess.run(list(command), env=environment, capture_output=True, text=True, check=False)


def test_make_secrets_makes_every_secret_of_the_compose_file_for_one_owner(tmp_path: Path) -> None:
    done = make_secrets(tmp_path)

    assert done.returncode == 0, done.stderr
    files = {file.name: file for file in (tmp_path / "secrets").iterdir()}
    assert files.keys() == deployment()["secrets"].keys()
    settings = (tmp_path / ".env").read_text()
    owner = os.getuid() or 10001
    for file in files.values():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.stat().st_uid == owner
    assert f"\nFER_SWEEP_UID={owner}\n" in settings
    for folder in ("secrets", "backups"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700
    random = [word for file in files.values() for word in file.read_text().replace(":", " ").split() if len(word) == 64]
    assert len(random) == len(set(random)) == 8
    assert not any(word in done.stdout + settings for word in random)
    assert "cat " in done.stdout


def test_make_secrets_never_replaces_any(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    before = {file: file.read_bytes() for file in (tmp_path / "secrets").iterdir()}
    (tmp_path / ".env").write_text("MLFLOW_PORT=5001\n")

    done = make_secrets(tmp_path)

    assert done.returncode != 0
    assert "secrets exists already, and what it holds may be in use" in done.stderr
    assert {file: file.read_bytes() for file in (tmp_path / "secrets").iterdir()} == before
    assert (tmp_path / ".env").read_text() == "MLFLOW_PORT=5001\n"


def test_a_secret_is_a_variable_of_the_command_alone(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef\n")
    given = {"MLFLOW_FLASK_SERVER_SECRET_KEY_FILE": str(tmp_path / "key")}

    done = run(str(WITH_SECRETS), "sh", "-c", 'env | grep SECRET; echo "$1"', "sh", "a  b", **given)

    assert done.stdout == "MLFLOW_FLASK_SERVER_SECRET_KEY=0123456789abcdef\na  b\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("password1234", r"holds a secret of 12 characters; 16 is the least. Replace it by a random one"),
        (None, r"cannot be read by user \d+. Run make secrets on the host"),
    ],
)
def test_a_secret_that_is_none_starts_nothing(tmp_path: Path, content: str | None, why: str) -> None:
    if content is not None:
        (tmp_path / "key").write_text(content)

    done = run(str(WITH_SECRETS), "echo", "started", MLFLOW_TRACKING_PASSWORD_FILE=str(tmp_path / "key"))

    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(why, done.stderr)


def test_an_unknown_role_of_a_ray_node_is_told() -> None:
    done = run(str(RAY_NODE), "chief")

    assert done.returncode == 2
    assert "error: ray-node chief: head, worker, healthy or driver." in done.stderr


@pytest.mark.parametrize("script", sorted([*ROOT.glob("mlflow/*.sh"), *ROOT.glob("deploy/*.sh")]), ids=lambda s: s.name)
def test_scripts_are_understood_by_their_shell_and_stop_at_errors(script: Path) -> None:
    first, *_ = script.read_text().splitlines()
    shell = first.removeprefix("#!").removeprefix("/usr/bin/env ").split("/")[-1]

    assert subprocess.run([shell, "-n", str(script)], check=False).returncode == 0
    assert "set -eu" in script.read_text() or "exec python" in script.read_text()
