"""The JSON Schema that editors use describes sweep files as people write them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fer_sweep.spec import json_schema, load_sweep
from fer_sweep.spec.source import read_text

SHIPPED = sorted((Path(__file__).parents[2] / "sweeps").rglob("*.yaml"))
WORKBOOK = {"FER_SFEW_WORKBOOK": "sfew.xlsx", "FER_FACES": "faces"}


def _validate(text: str) -> None:
    jsonschema.Draft202012Validator(json_schema()).validate(read_text(text, "s.yaml", WORKBOOK).data)


def _valid_sweep() -> str:
    return """name: x
data: {source: csv, path: f.csv}
run_cap: 5
parameters:
  train.epochs: {min: 1, max: 5}
  train.momentum: {values: [0.1, 0.2], when: {removal.rule: none}}
  train.learning_rate: {distribution: log_uniform_values, min: 1e-3, max: 1e-1}
  removal.rule: {values: [none, bdr]}
  removal: {parameters: {alpha: {value: 1.0, when: {removal.rule: [bdr]}}}}
"""


def test_it_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_what_people_write_is_valid() -> None:
    _validate(_valid_sweep())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("min: 1, max: 5", "min: 1"),
        ("min: 1, max: 5", "distribution: log_uniform, min: 1, max: 5"),
        ("min: 1, max: 5", "min: 1, max: 5, mn: 2"),
        ("train.epochs", "data.seed"),
        ("run_cap: 5", "run_cap: 0"),
        ("run_cap: 5", "runcap: 5"),
        ("source: csv", "source: tsv"),
    ],
)
def test_mistakes_are_invalid(old: str, new: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        _validate(_valid_sweep().replace(old, new))


def test_docstrings_of_fields_are_its_descriptions() -> None:
    definitions: dict[str, Any] = json_schema()["$defs"]
    assert "Each repeat draws new folds" in definitions["ProtocolConfig"]["properties"]["repeats"]["description"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_sweeps_are_valid(path: Path) -> None:
    _validate(path.read_text(encoding="utf-8"))
    load_sweep(path, (), WORKBOOK)


def test_importing_the_spec_loads_no_heavy_library() -> None:
    code = "import sys, fer_sweep.spec; print(sorted({'torch','optuna','mlflow','numpy','pandas'} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=dict(os.environ), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
