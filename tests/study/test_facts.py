"""What a study is can be told without its data."""

from pathlib import Path

import numpy as np
import pytest

from fer_sweep.data import load_samples
from fer_sweep.errors import StudyError
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
