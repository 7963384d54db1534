"""fer-sweep compare, as typed."""

import json
from pathlib import Path

import pytest

from fer_sweep.errors import StudyError
from fer_sweep.study.home import Home
from tests.cli.test_run import failing, invoke
from tests.tracking.studies import children_of, new_home, parent_of

GRID = """\
name: tiny
data: {source: synthetic_features, samples: 60, persons: 12, separation: 4.0, seed: 1}
protocol: {folds: 2, repeats: 2}
model: {kind: mlp, hidden_units: 8}
train: {optimizer: adam, learning_rate: 0.0001, epochs: 30}
method: grid
parameters:
  train.learning_rate: {values: [0.0001, 0.001, 0.05]}
confirm: {top_k: 1, repeats: 2}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("compared")
    home = new_home(folder)
    file = folder / "tiny.yaml"
    file.write_text(GRID)
    assert invoke("run", file, "--home", home.root).exit_code == 0
    return home


def test_a_study_is_its_best_confirmed_configuration(home: Home) -> None:
    text = invoke("compare", "tiny/confirm/0", "tiny", "--home", home.root).stdout

    assert "A = tiny/confirm/0: train.learning_rate=0.0001" in text
    assert "B = tiny/confirm/2: train.learning_rate=0.05" in text
    assert "(both corrected for overlapping training sets; n = 4 folds). tiny/confirm/2 is better." in text
    assert max(len(line) for line in text.splitlines() if " to " in line) <= 80


def test_json_has_every_number(home: Home) -> None:
    found = json.loads(invoke("compare", "tiny/0", "tiny/1", "tiny/2", "--json", "--home", home.root).stdout)

    assert [trial["name"] for trial in found["trials"]] == ["tiny/0", "tiny/1", "tiny/2"]
    assert (found["metric"], found["first"]) == ("accuracy", "tiny/0")
    assert len(found["differences"]) == 6
    means = [trial["test"]["accuracy"]["mean"] for trial in found["trials"]]
    assert found["differences"][1]["difference"] == pytest.approx(means[2] - means[0])
    assert found["differences"][1]["low"] <= found["differences"][1]["difference"] <= found["differences"][1]["high"]
    assert any("selected on these very splits" in note for note in found["notes"])


def test_mlflow_runs_name_trials_too(home: Home) -> None:
    base, best = (children_of(home)["confirm", number].info.run_id for number in (0, 2))

    found = json.loads(invoke("compare", base, best, "--json", "--home", home.root).stdout)
    study = json.loads(invoke("compare", base, parent_of(home).info.run_id, "--json", "--home", home.root).stdout)

    assert [trial["name"] for trial in found["trials"]] == ["tiny/confirm/0", "tiny/confirm/2"]
    assert study == found


def test_what_cannot_be_compared_is_refused(home: Home, tmp_path: Path) -> None:
    assert "is trial tiny/confirm/2, which is named twice" in str(
        failing("compare", "tiny", "tiny/confirm/2", "--home", home.root)
    )
    assert "no study is called 'tinny' in" in str(failing("compare", "tiny", "tinny", "--home", home.root))
    assert "neither a study nor an MLflow run is called" in str(
        failing("compare", "tiny", "0" * 32, "--home", home.root)
    )
    assert "27 trials are too many" in str(failing("compare", *(f"tiny/{i}" for i in range(27)), "--home", home.root))
    assert invoke("compare", "tiny", "--home", home.root).exit_code == 2


def test_a_study_without_a_confirmation_or_an_end_has_no_best(tmp_path: Path) -> None:
    home, file = new_home(tmp_path), tmp_path / "tiny.yaml"
    file.write_text(GRID.replace("confirm:", "#"))
    invoke("run", file, "--home", home.root, "--offline")

    assert "has no confirmed configuration to compare. Add a confirm section" in str(
        failing("compare", "tiny", "tiny/0", "--home", home.root)
    )
    outbox = home.study("tiny").outbox
    outbox.write_bytes(b"".join(outbox.read_bytes().splitlines(keepends=True)[:-1]))  # killed before its end
    unfinished = failing("compare", "tiny", "tiny/0", "--home", home.root)
    assert isinstance(unfinished, StudyError)
    assert "study 'tiny' is unfinished" in str(unfinished)
    assert str(home.study("tiny").sweep) in str(unfinished)
