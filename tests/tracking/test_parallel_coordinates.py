import json
import re
from typing import Any

import pytest

from fer_sweep.study.rows import TrialRow
from fer_sweep.tracking.parallel_coordinates import parallel_coordinates
from tests.tracking.factories import trial_rows


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found.group(1))
    return data


def test_every_parameter_is_an_axis_and_every_trial_a_line() -> None:
    data = data_of(parallel_coordinates(trial_rows(), metric="accuracy", goal="maximize"))
    assert {axis["name"]: axis["scale"] for axis in data["axes"]} == {
        "removal.alpha": "linear",
        "removal.start": "linear",
        "train.learning_rate": "log",
        "train.optimizer": "categories",
        "train.momentum": "linear",
    }
    assert len(data["trials"]) == 40


def test_a_conditional_parameter_is_null_where_it_was_not_set() -> None:
    rows = trial_rows()
    data = data_of(parallel_coordinates(rows, metric="accuracy", goal="maximize"))
    place = [axis["name"] for axis in data["axes"]].index("train.momentum")
    for row, trial in zip(rows, data["trials"], strict=True):
        assert (trial[5][place] is None) == ("train.momentum" not in row.assignments)


def test_flags_zero_and_mixed_values_keep_their_meaning() -> None:
    rows = [
        TrialRow(0, "complete", {"a": False, "b": 0, "c": 50}, 0.25, 0.01, 4, 1.0),
        TrialRow(1, "complete", {"a": True, "b": 2, "c": "past_peak"}, 0.3, None, 4, 1.0),
    ]
    data = data_of(parallel_coordinates(rows, metric="uar", goal="maximize"))
    assert [axis.get("categories") for axis in data["axes"]] == [["false", "true"], None, ["50", "past_peak"]]
    assert data["trials"] == [[0, "complete", 25.0, 1.0, 4, [0, 0, 0]], [1, "complete", 30.0, None, 4, [1, 2, 1]]]


def test_names_and_values_cannot_end_the_script() -> None:
    hostile = "</script><script>alert(1)</script><!--&"
    rows = [TrialRow(0, "complete", {hostile: hostile}, 0.2, None, 2, 1.0)]
    page = parallel_coordinates(rows, metric=hostile, goal="maximize")
    assert "alert(1)</script>" not in page
    assert page.count("</script>") == parallel_coordinates([], metric="uar", goal="maximize").count("</script>")
    assert data_of(page)["axes"][0]["name"] == hostile


def test_the_page_loads_nothing_from_a_network() -> None:
    page = parallel_coordinates(trial_rows(), metric="accuracy", goal="maximize")
    assert "default-src 'none'" in page
    assert not re.search(r"\b(src|href)=|@import|fetch\(", page)
    assert set(re.findall(r"https?://[^\"']+", page)) == {"http://www.w3.org/2000/svg"}


def test_a_thousand_trials_of_sixteen_parameters_stay_small() -> None:
    rows = trial_rows(1000)
    wide = [
        TrialRow(
            row.number, row.state, {f"p{i}": 0.123456789 + row.number * i for i in range(16)}, row.mean, 0.01, 4, 1.0
        )
        for row in rows
    ]
    assert len(parallel_coordinates(wide, metric="accuracy", goal="maximize")) < 200_000


@pytest.mark.parametrize("rows", [[], trial_rows(1), [TrialRow(0, "complete", {}, 0.2, None, 2, 1.0)]])
def test_a_study_with_little_to_show_makes_a_page(rows: list[TrialRow]) -> None:
    data = data_of(parallel_coordinates(rows, metric="accuracy", goal="minimize"))
    assert len(data["trials"]) == len(rows)
    assert ("No trial has a searched parameter" in data["legend"]) == (not data["axes"])


def test_trials_with_nothing_to_draw_are_left_out() -> None:
    rows = [*trial_rows(2), TrialRow(2, "skipped", {}, None, None, 0, 0.0)]
    assert len(data_of(parallel_coordinates(rows, metric="accuracy", goal="maximize"))["trials"]) == 2
