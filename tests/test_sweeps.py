"""Every sweep file of the repository is valid, documented, and runs, in a form that takes seconds."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from fer_sweep.cli.app import app
from fer_sweep.spec import json_schema, load_sweep
from fer_sweep.training.threads import threads_each
from tests.sweep_files import ROOT, shortened, write_inputs
from tests.tracking.studies import children_of, new_home

SWEEPS = sorted((ROOT / "sweeps").rglob("*.yaml"))
IN_README = set(re.findall(r"fer-sweep run sweeps/(\S+)", (ROOT / "README.md").read_text()))
"""Those are run by test_readme.py; the paper's by cli/test_paper.py."""
UNTRACKED = ("augmentation", "pretrain", "pretraining")
"""What becomes of networks on pictures in MLflow, sweeps/cnn.yaml shows; writing it takes longest."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other are slow on a machine that others use too."""
    with threads_each(1):
        yield


@pytest.fixture(autouse=True)
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in write_inputs(tmp_path).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Weights as sweeps/pretraining.yaml asks for them: those of drawn faces, made by the command that it names."""
    folder = tmp_path_factory.mktemp("weights")
    file = ROOT / "sweeps" / "pretrain.yaml"
    drawn = folder / "drawn.pth"
    done = CliRunner().invoke(
        app, ["pretrain", str(file), "--output", str(drawn), "--home", str(folder), *shortened(file)]
    )
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    (folder / "faces.pth").symlink_to(drawn)
    return {"FER_DRAWN_WEIGHTS": str(drawn), "FER_FACE_WEIGHTS": str(folder / "faces.pth")}


def test_all_sweep_files_are_looked_at() -> None:
    assert len(SWEEPS) >= 12
    assert len({load_sweep(file).name for file in SWEEPS}) == len(SWEEPS)


@pytest.mark.parametrize("file", SWEEPS, ids=lambda file: file.stem)
def test_a_sweep_file_is_valid_and_says_what_it_asks_and_expects(file: Path) -> None:
    spec = load_sweep(file)

    assert spec.base.train.last_epoch > 0
    jsonschema.validate(YAML(typ="safe", pure=True).load(file), json_schema())
    header = [line for line in file.read_text().splitlines() if line.startswith("#")]
    assert all(any(line.startswith(f"# {word}:") for line in header) for word in ("Question", "Run", "Expect"))
    assert f"fer-sweep run {file.relative_to(ROOT)}" in "\n".join(header)


@pytest.mark.parametrize(
    "file",
    [file for file in SWEEPS if file.name not in IN_README and file.parent.name != "paper"],
    ids=lambda file: file.stem,
)
def test_a_sweep_file_runs(file: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    home = new_home(tmp_path)
    if "_WEIGHTS" in file.read_text():
        for name, value in request.getfixturevalue("pretrained").items():
            request.getfixturevalue("monkeypatch").setenv(name, value)

    tracking = ["--offline"] if file.stem in UNTRACKED else []
    done = CliRunner().invoke(app, ["run", str(file), "--home", str(home.root), *tracking, *shortened(file)])

    assert done.exit_code == 0, f"{done.output} {done.exception}"
    assert "3 trials are done" not in done.output
    assert "by trial, %" in done.stdout
    if tracking:
        status = CliRunner().invoke(app, ["status", load_sweep(file).name, "--home", str(home.root), "--json"])
        states = [(row["number"], row["state"]) for row in json.loads(status.stdout)["trials"]]
        assert sorted(states) == [(n, "complete") for n in range(3)]
        return
    assert {key for key in children_of(home, load_sweep(file).name) if key[0] == "search"} == {
        ("search", n) for n in range(3)
    }
