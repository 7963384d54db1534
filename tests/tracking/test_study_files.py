"""The files of a study, without a tracker around them."""

import csv
from pathlib import Path

import pytest

from fer_sweep.study.home import Home
from fer_sweep.study.statistics import interval_over_repeats
from fer_sweep.study.study import open_study, run_study
from fer_sweep.tracking.study_artifacts import write_study_artifacts
from tests.study.studies import inline
from tests.tracking.studies import summary_of, tiny


@pytest.mark.parametrize("repeats", [2, 3])
def test_the_ranking_has_intervals_from_three_repeats_on(tmp_path: Path, repeats: int) -> None:
    spec, samples = tiny(tmp_path, ["run_cap=2", "train.epochs=6", f"protocol.repeats={repeats}"])
    with open_study(spec, samples, Home(tmp_path / "home")) as study:
        events = list(run_study(study, executor=inline(study.samples)))
        write_study_artifacts(tmp_path, summary_of(study, events), {}, study.facts, study.files)
        rows = {"base" if row.is_base else str(row.number): row for row in study.store.rows()}

    table = list(csv.DictReader((tmp_path / "trials.csv").read_text().splitlines()))

    assert len(table) == len(rows) == 2
    for line in table:
        interval = interval_over_repeats(rows[line["trial"]].mean, rows[line["trial"]].spread, repeats=repeats)
        expected = ("", "") if interval is None else (str(round(interval.low, 5)), str(round(interval.high, 5)))
        assert (line["low95"], line["high95"]) == expected
    assert all(bool(line["low95"]) is (repeats == 3) for line in table)
