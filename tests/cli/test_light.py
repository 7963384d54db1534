"""The verbs that answer at once."""

import json
import os
import statistics
import time
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from fer_sweep import __version__
from fer_sweep.cli import plan as planning
from fer_sweep.cli.app import app
from fer_sweep.errors import SpecError, StudyError
from tests.cli.commands import ROOT, fer_sweep
from tests.tracking.studies import new_home, write_tiny

QUICKSTART = ROOT / "sweeps" / "quickstart.yaml"
SLOW_MACHINE = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
"""Times are of an idle machine; others may be working on this one."""


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def seconds_of(*arguments: object) -> float:
    def once() -> float:
        begun = time.perf_counter()
        assert fer_sweep(*arguments).returncode == 0
        return time.perf_counter() - begun

    return statistics.median(once() for _ in range(3))


def test_help_and_validate_answer_at_once() -> None:
    assert seconds_of("--help") < 0.5 * SLOW_MACHINE
    assert seconds_of("validate", QUICKSTART) < 0.9 * SLOW_MACHINE


def test_validate_loads_no_heavy_library() -> None:
    done = fer_sweep("validate", QUICKSTART, PYTHONPROFILEIMPORTTIME="1")

    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "fer_sweep.cli.validate" in loaded
    assert not {"torch", "mlflow", "optuna", "matplotlib", "sklearn", "pandas", "scipy"} & loaded


def test_help_names_the_verbs_and_exit_codes() -> None:
    text = invoke("--help").stdout

    for verb in ("run", "plan", "validate", "schema", "status", "serve", "sync"):
        assert f"\n  {verb} " in text
    assert "130 interrupted or cancelled" in " ".join(text.split())
    assert invoke("--version").stdout == f"fer-sweep {__version__}\n"


def test_an_unknown_option_ends_with_2() -> None:
    assert invoke("run", "--nonsense").exit_code == 2
    assert invoke("run").exit_code == 2


def test_validate_in_words_and_in_json(tmp_path: Path) -> None:
    file = write_tiny(tmp_path)

    assert (
        "is valid: sweep tiny, method random, 2 searched parameters, infinitely many" in invoke("validate", file).stdout
    )
    assert json.loads(invoke("validate", file, "--json").stdout) == {
        "valid": True, "name": "tiny", "parameters": 2, "space": None,
    }  # fmt: skip
    assert isinstance(invoke("validate", file, "--set", "train.epoch=3").exception, SpecError)


def test_schema_accepts_the_sweep_files() -> None:
    schema = json.loads(invoke("schema").stdout)

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(YAML(typ="safe", pure=True).load(QUICKSTART), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "x", "methd": "bayes"}, schema)


def test_status_of_nothing_of_all_and_of_an_unknown_study(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    assert "No studies in" in invoke("status", "--home", home.root).stdout
    assert invoke("status", "--home", home.root, "--json").stdout.strip() == "[]"
    assert not home.optuna_file.exists()
    invoke("run", write_tiny(tmp_path), "--home", home.root, "--set", "train.epochs=6", "--set", "run_cap=2")

    assert "tiny" in invoke("status", "--home", home.root).stdout
    one = invoke("status", "tiny", "--home", home.root).stdout
    assert "tiny: accuracy by trial" in one
    assert "base" in one
    assert json.loads(invoke("status", "--home", home.root, "--json").stdout)[0]["states"] == {"complete": 2}
    assert json.loads(invoke("status", "tiny", "--home", home.root, "--json").stdout)["study"] == "tiny"
    unknown = invoke("status", "tinny", "--home", home.root).exception
    assert isinstance(unknown, StudyError)
    assert f"no study is called 'tinny' in {home.root}. Known studies: tiny." == str(unknown)


@pytest.mark.parametrize(("speed", "told"), [(0.0123, "0.012"), (3.456, "3.5"), (12345.6, "12,346")])
def test_a_slow_network_has_a_speed_too(speed: float, told: str) -> None:
    assert planning._rate(speed) == told


def test_plan_in_words_and_in_json(tmp_path: Path) -> None:
    file = write_tiny(tmp_path)

    words = invoke("plan", file, "--trials", 2).stdout
    facts = json.loads(invoke("plan", file, "--json").stdout)

    assert "data: 60 samples, 7 classes, 12 persons" in words
    assert "2 folds x 2 repeats, test sides of 30 to 30 samples, person independent (checked)" in words
    assert "  base: train.learning_rate=0.01" in words
    assert "  trial 1: " in words
    assert "network epochs per second" in words
    assert facts["trials"] == 3
    assert facts["networks_per_trial"] == 4
    assert facts["person_independent"] is True
