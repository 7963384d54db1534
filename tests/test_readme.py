"""Every command of the README is executed, shortened by overrides where it would take minutes."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("fer-sweep")]
SHORT = ["--set", "protocol.repeats=1", "--set", "confirm={top_k: 1, repeats: 2}", "--set", "run_cap=2"]


def fer_sweep(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "fer_sweep.cli.app", *arguments]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("readme")
    rows = [
        f"{label},{person},{label + 0.1 * i},{person - i}" for label in range(3) for person in range(6) for i in (1, 2)
    ]
    (folder / "features.csv").write_text("label,person,a,b\n" + "\n".join(rows) + "\n")
    return {
        **os.environ,
        "FER_SWEEP_HOME": str(folder / "home"),
        "FEATURES": str(folder / "features.csv"),
        "FER_FACES": str(folder / "faces"),
    }


def test_the_readme_has_the_commands_that_are_tested_here() -> None:
    verbs = {shlex.split(command)[1] for command in COMMANDS}

    assert verbs == {"validate", "plan", "run", "status", "serve", "data"}


@pytest.mark.parametrize("command", [c for c in COMMANDS if " serve" not in c])
def test_readme_command_works(command: str, environment: dict[str, str]) -> None:
    arguments = shlex.split(command)[1:]
    if arguments[0] in ("run", "plan"):
        arguments += SHORT
    if arguments[0] == "data":
        arguments = [place.replace("faces", environment["FER_FACES"]) for place in arguments]
    on_faces = any(name in command for name in ("descriptors", "cnn", "resnet"))
    if on_faces:
        arguments += ["--set", "train.epochs=2", "--set", "schedule.kind=constant", "--set", "data.face=whole"]
    if "cnn" in command:
        arguments += ["--set", "model.input_size=16", "--set", "model.width=4"]
    if "resnet" in command:  # no weights are downloaded by a test
        arguments += ["--set", "model.weights=none", "--set", "model.input_size=32"]
    if arguments[0] == "run" and "quickstart" not in command and not on_faces:  # the paper's workbook is not shipped
        arguments += ["--set", "data={source: csv, path: '${FEATURES}', label: label, person: person}"]
        arguments += ["--set", "train.epochs=60", "--set", "removal.rule=none", "--set", "method=random"]
        arguments += ["--set", "parameters={train.learning_rate: {min: 0.001, max: 0.1}}"]

    done = subprocess.run(
        fer_sweep(arguments), cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 0, done.stderr


def test_readme_serve_command_works(environment: dict[str, str]) -> None:
    run = fer_sweep(["run", "sweeps/quickstart.yaml", *SHORT])
    subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, check=True, timeout=120)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = fer_sweep(["serve", "--port", str(port)])
    with subprocess.Popen(serve, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert any("MLflow is up" in line for line in process.stdout)  # reads no further than that line
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def test_links_of_the_documents_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
