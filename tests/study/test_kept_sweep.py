"""The sweep that the database keeps."""

import shutil
from pathlib import Path

import pytest

from fer_sweep.errors import StudyError
from fer_sweep.study.database import opened_storage
from fer_sweep.study.home import Home
from fer_sweep.study.kept_sweep import kept_sweep
from tests.study.studies import opened, sweep


def test_it_is_that_of_the_last_run_and_needs_no_files(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with opened(sweep(run_cap=2), tmp_path):
        pass
    with opened(sweep(run_cap=3, description="costs $5 or ${FIVE}"), tmp_path):
        pass
    shutil.rmtree(tmp_path / "studies")

    assert kept_sweep(home, "tiny") == sweep(run_cap=3, description="costs $5 or ${FIVE}")


def test_of_an_older_study_it_is_read_from_its_files(tmp_path: Path) -> None:
    with opened(sweep(), tmp_path):
        pass
    home = Home(tmp_path)
    with opened_storage(home) as storage:
        storage.set_study_user_attr(storage.get_study_id_from_name("tiny"), "sweep", None)

    assert kept_sweep(home, "tiny") == sweep()


def test_an_unknown_study_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no study is called 'tiny' in "):
        kept_sweep(Home(tmp_path), "tiny")
