"""What a study is can be told without its data."""

from pathlib import Path

import numpy as np
import pytest

from fer_sweep.data import load_samples
from fer_sweep.errors import SpecError, StudyError
from fer_sweep.spec import load_sweep
from fer_sweep.study.facts import load_facts
from fer_sweep.study.home import Home
from tests.study.studies import DATA, opened, sweep


def test_facts_come_back_as_they_were_but_for_the_features(tmp_path: Path) -> None:
    spec = sweep(data=DATA | {"wrong_labels": 0.1})
    samples = load_samples(spec.data)

    with opened(spec, tmp_path) as study:
        facts = load_facts("tiny", study.files)

        assert facts.spec == spec
        assert facts.split.hash == study.split.hash
        assert facts.fingerprint == samples.fingerprint
    assert facts.samples.features.shape == (60, 0)
    for name in ("ids", "class_names", "person_names", "warnings"):
        assert getattr(facts.samples, name) == getattr(samples, name)
    for name in ("y", "person", "planted"):
        np.testing.assert_array_equal(getattr(facts.samples, name), getattr(samples, name))


def test_a_study_that_would_be_refused_today_is_still_told(tmp_path: Path) -> None:
    spec = sweep(parameters={"train.momentum": {"distribution": "categorical", "values": (0.0, 0.9)}})

    with opened(spec, tmp_path) as study:
        with pytest.raises(SpecError, match=r"train.momentum: changes nothing: train.optimizer: adam ignores it"):
            load_sweep(study.files.sweep)

        assert load_facts("tiny", study.files).spec == spec


@pytest.mark.parametrize("damage", [None, b"", b"not a file of arrays"])
def test_facts_that_are_gone_or_damaged_are_explained(tmp_path: Path, damage: bytes | None) -> None:
    with opened(sweep(), tmp_path) as study:
        files = study.files
    if damage is None:
        files.samples.unlink()
    else:
        files.samples.write_bytes(damage)

    with pytest.raises(StudyError) as caught:
        load_facts("tiny", Home(tmp_path).study("tiny"))

    assert str(caught.value).startswith(f"what study 'tiny' is cannot be read from {files.samples} (")
    assert str(caught.value).endswith(
        "). Run its sweep file again with the same --home, which writes it anew without training anything twice."
    )


def test_a_sweep_file_that_is_gone_is_explained(tmp_path: Path) -> None:
    with opened(sweep(), tmp_path) as study:
        study.files.sweep.unlink()

        with pytest.raises(StudyError, match=f"cannot be read from {study.files.sweep} "):
            load_facts("tiny", study.files)


def test_a_kept_sweep_file_that_was_changed_by_hand_is_explained(tmp_path: Path) -> None:
    with opened(sweep(), tmp_path) as study:
        kept = study.files.sweep
        kept.write_text(kept.read_text().replace("hidden_units: 4", "hidden_unts: 4"))

        with pytest.raises(SpecError, match=r"model.hidden_unts: unknown key. Did you mean hidden_units\?"):
            load_facts("tiny", study.files)
