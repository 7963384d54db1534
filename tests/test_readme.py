"""Every command of the README is executed, shortened by overrides where it would take minutes."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fer_sweep.cli.app import app
from fer_sweep.study.home import Home
from fer_sweep.tracking.address import store_of
from fer_sweep.tracking.client import open_client
from tests.sweep_files import ROOT, shortened, write_inputs

BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("fer-sweep")]


ELSEWHERE = {"serve": "below", "paper": "cli/test_paper.py"}
"""Commands that are run in another way."""


def fer_sweep(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "fer_sweep.cli.app", *arguments]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**write_inputs(folder), "FER_SWEEP_HOME": str(folder / "home")}.items():
            patch.setenv(name, value)
        yield {**os.environ, "DRAWN": str(folder / "drawn"), "REPORTS": str(folder / "reports")}


def test_the_readme_has_the_commands_that_are_tested_here() -> None:
    verbs = {shlex.split(command)[1] for command in COMMANDS}

    assert verbs == {
        "validate", "plan", "run", "status", "serve", "data", "sync",
        "report", "paper", "compare", "promote", "history", "predict", "doctor",
    }  # fmt: skip


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.split()[1] not in ELSEWHERE])
def test_readme_command_works(command: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = shlex.split(command)[1:]
    if arguments[0] in ("run", "plan"):
        arguments += shortened(ROOT / arguments[1])
    if arguments[0] == "report":
        arguments += ["--output", environment["REPORTS"]]
    if arguments[0] == "promote":  # of a sweep this short nothing is better than its base
        arguments += ["--trial", "0", "--force", "--reason", "to test the README"]
    if arguments[:2] == ["data", "synthesize"]:
        arguments += ["--n", "42"]
    if arguments[0] in ("data", "predict"):
        arguments = [place.replace("faces", environment["DRAWN"]) for place in arguments]

    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, arguments)

    assert done.exit_code == 0, f"{done.output} {done.exception}"


def test_readme_serve_command_works(environment: dict[str, str]) -> None:
    home = Home(Path(environment["FER_SWEEP_HOME"]))
    if not home.mlflow_file.exists():  # this test is run alone
        open_client(store_of(None, home))
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
