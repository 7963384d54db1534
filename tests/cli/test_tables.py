import io
from dataclasses import replace

import pytest
from rich.console import Console

from fer_sweep.cli.tables import print_result, short_names
from fer_sweep.spec import load_sweep
from fer_sweep.study.events import Confirmed, Trial
from fer_sweep.study.statistics import Comparison
from fer_sweep.study.summary import Summary
from fer_sweep.training.metrics import Estimate
from tests.cli.commands import ROOT
from tests.tracking.factories import trial_rows

ROWS = tuple(trial_rows(30))
SUMMARY = Summary("bdr", "accuracy", "maximize", ROWS, (), ("[not markup]",), "run_cap: 30 trials")


def printed(width: int, summary: Summary = SUMMARY) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    print_result(console, summary)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_console_and_nothing_is_cut(width: int) -> None:
    text = printed(width)

    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    title = "bdr: accuracy by trial, % (spread: deviation over repeats, n: networks)"
    assert title in " ".join(text.split())
    assert "note: [not markup]" in text


def test_a_wide_console_has_a_column_per_parameter() -> None:
    (header,) = [line for line in printed(200).splitlines() if "rank" in line]

    assert header.split()[5:] == [
        "removal.alpha", "removal.start", "train.learning_rate", "train.optimizer", "train.momentum",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_console_has_whole_assignments(width: int) -> None:
    text = printed(width)
    best = max((row for row in ROWS if row.state == "complete"), key=lambda row: row.mean or 0)

    assert "configuration" in text
    assert f"learning_rate={best.assignments['train.learning_rate']:.4g}" in text.split()
    assert "momentum=None" not in text


def test_leaf_names_are_used_where_they_are_unique() -> None:
    assert short_names(["train.epochs", "removal.start", "svm.start"]) == {
        "train.epochs": "epochs", "removal.start": "removal.start", "svm.start": "svm.start",
    }  # fmt: skip


def test_the_base_is_shown_whatever_its_rank_and_the_rest_is_counted() -> None:
    text = printed(200, replace(SUMMARY, goal="minimize"))

    assert "base" in text
    assert "and 19 more trials" in text or "and 20 more trials" in text


def test_a_study_without_a_finished_trial_has_no_empty_table() -> None:
    text = printed(80, replace(SUMMARY, rows=()))

    assert text.startswith("No trial finished, so there is no answer.")


def test_the_confirmation_shows_difference_interval_and_p() -> None:
    config = load_sweep(ROOT / "sweeps" / "quickstart.yaml").base
    comparison = Comparison(difference=0.0123, low=0.001, high=0.0236, p=0.02, p_holm=0.0312, spread=0.02, n=20)
    confirmed = (
        Confirmed(Trial("confirm", 7, config, {"removal.alpha": 0.5}, ""), Estimate(0.5, 0.01, 20), comparison),
        Confirmed(Trial("confirm", 0, config, {}, ""), Estimate(0.4877, None, 20), None),
    )

    text = printed(80, replace(SUMMARY, confirmed=confirmed))

    assert " 7  50.00    1.00  20         +1.23  +0.10 to +2.36     0.031" in text
    assert "base  48.77       –  20" in text
