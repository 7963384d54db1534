"""Artifacts that are drawn before the store can take them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_sweep.study.study import OpenStudy
from fer_sweep.tracking.drawn_ahead import DrawnAhead
from fer_sweep.tracking.outbox import read_outbox
from tests.tracking.studies import recorded


@pytest.fixture
def study(tmp_path: Path) -> Iterator[OpenStudy]:
    with recorded(tmp_path) as study:
        yield study


def finished(study: OpenStudy) -> list[int]:
    """Where the entries of the finished trials end."""
    return [line.end for line in read_outbox(study.files.outbox) if line.entry and line.entry.kind == "finished"]


def test_every_finished_trial_is_drawn_once(study: OpenStudy) -> None:
    first, second = finished(study)
    with DrawnAhead(study.facts, study.files) as ahead:
        assert ahead.folder(first) is None
        assert [ahead.draw_next(0) for _ in range(3)] == [True, True, False]
        folders = [ahead.folder(first), ahead.folder(second)]
        names = [{file.name for file in folder.iterdir()} for folder in folders if folder is not None]

    assert len(names) == 2
    assert all({"config.yaml", "confusion.png", "loss_histograms.png"} <= found for found in names)
    assert not any(folder.exists() for folder in folders if folder is not None)


def test_what_lies_before_the_start_is_not_drawn(study: OpenStudy) -> None:
    first, second = finished(study)
    with DrawnAhead(study.facts, study.files) as ahead:
        assert [ahead.draw_next(first) for _ in range(2)] == [True, False]
        assert (ahead.folder(first) is None, ahead.folder(second) is None) == (True, False)


def test_no_more_is_drawn_than_may_wait(study: OpenStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_sweep.tracking.drawn_ahead.MOST", 1)
    first, second = finished(study)
    with DrawnAhead(study.facts, study.files) as ahead:
        assert [ahead.draw_next(0) for _ in range(2)] == [True, False]
        ahead.discard(second)  # not there
        ahead.discard(first)
        assert ahead.folder(first) is None
        assert ahead.draw_next(0)
        assert ahead.folder(second) is not None
