"""Every sweep file of the repository is valid, documented, and runs, in a form that takes seconds."""

from pathlib import Path

import jsonschema
import openpyxl
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from fer_sweep.cli.app import app
from fer_sweep.data import load_samples
from fer_sweep.data.synthetic_faces import write_faces
from fer_sweep.spec import json_schema, load_sweep
from fer_sweep.spec.data import SyntheticFaces
from tests.tracking.studies import children_of, new_home

ROOT = Path(__file__).parent.parent
SWEEPS = sorted((ROOT / "sweeps").rglob("*.yaml"))
HEADER = [None, "label", "First 5 Principal Components of LPQ", *[None] * 4, "First 5 PCs of PHOG", *[None] * 4]
EPOCHS, START = 60, 10


@pytest.fixture(autouse=True)
def workbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small workbook in the layout of the real one: 12 films, 7 classes."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(HEADER)
    for i in range(84):
        values = [0.01 * ((7 * i + 3 * j) % 19) + 0.02 * (i % 7) for j in range(10)]
        sheet.append([f"Film{'ABCDEFGHIJKL'[i // 7]}_{i:09d}_{i:08d}.mat", i % 7 + 1, *values])
    book.save(tmp_path / "features.xlsx")
    monkeypatch.setenv("FER_SFEW_WORKBOOK", str(tmp_path / "features.xlsx"))


@pytest.fixture(autouse=True)
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of drawn faces."""
    drawn = SyntheticFaces(source="synthetic_faces", samples=56, persons=8, size=48)
    write_faces(load_samples(drawn), tmp_path / "faces")
    monkeypatch.setenv("FER_FACES", str(tmp_path / "faces"))


def shortened(file: Path) -> list[str]:
    """Overrides that make a sweep small without changing what it is about."""
    spec = load_sweep(file)
    epochs = 2 if spec.trains_on_pictures else EPOCHS
    overrides = ["run_cap=3", f"train.epochs={epochs}", "protocol.repeats=1"]
    if spec.data.source == "synthetic_features":
        overrides += ["data.samples=84", "data.persons=12"]
    if spec.data.source == "synthetic_faces":
        overrides += ["data.samples=84", "data.persons=12", "data.size=48"]
    if spec.model.kind == "cnn":
        overrides += ["model.input_size=16", "model.width=4"]
    if spec.model.kind == "resnet":
        overrides += ["model.input_size=32", "model.weights=none"]
    if spec.schedule.kind == "step":
        overrides.append("schedule.at=[10, 20]")
    if spec.confirm is not None:
        overrides += ["confirm.repeats=2", "confirm.top_k=1"]
    if spec.removal.rule in ("bdr", "random"):
        overrides.append(f"removal.start={START}")
    for path, small in (("train.epochs", [EPOCHS, 20]), ("removal.start", [START, 20])):
        parameter = spec.parameters.get(path)
        if parameter is not None and parameter.values is not None:
            overrides.append(f"parameters.{path}.values={small}")
        elif parameter is not None:
            overrides.append(f"parameters.{path}.value={small[0]}")
    return [part for override in overrides for part in ("--set", override)]


def test_all_sweep_files_are_looked_at() -> None:
    assert len(SWEEPS) >= 9
    assert len({load_sweep(file).name for file in SWEEPS}) == len(SWEEPS)


@pytest.mark.parametrize("file", SWEEPS, ids=lambda file: file.stem)
def test_a_sweep_file_is_valid_and_says_what_it_asks_and_expects(file: Path) -> None:
    spec = load_sweep(file)

    assert spec.base.train.last_epoch > 0
    jsonschema.validate(YAML(typ="safe", pure=True).load(file), json_schema())
    header = [line for line in file.read_text().splitlines() if line.startswith("#")]
    assert all(any(line.startswith(f"# {word}:") for line in header) for word in ("Question", "Run", "Expect"))
    assert f"fer-sweep run sweeps/{file.name}" in "\n".join(header)


@pytest.mark.parametrize("file", SWEEPS, ids=lambda file: file.stem)
def test_a_sweep_file_runs(file: Path, tmp_path: Path) -> None:
    home = new_home(tmp_path)

    done = CliRunner().invoke(app, ["run", str(file), "--home", str(home.root), *shortened(file)])

    assert done.exit_code == 0, f"{done.output} {done.exception}"
    assert "3 trials are done" not in done.output
    assert "by trial, %" in done.stdout
    assert {key for key in children_of(home, load_sweep(file).name) if key[0] == "search"} == {
        ("search", n) for n in range(3)
    }
