"""Which trials are shown side by side, and how."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_sweep.study.home import Home
from fer_sweep.study.rows import TrialRow
from fer_sweep.study.study import open_study, run_study
from fer_sweep.tracking.compared_trials import BEST, MOST, chosen, compared_trials
from fer_sweep.tracking.figures import ComparedTrial, loss_comparison
from tests.study.studies import inline
from tests.tracking.factories import svm_result, trial_result
from tests.tracking.studies import summary_of, tiny


def ranks(count: int, base: int) -> list[int]:
    """The ranks that are chosen of so many trials, with the base at one of them."""
    order = [TrialRow((place - base) % count, "complete", {}, 0.5, None, 1, 1.0) for place in range(count)]
    return [order.index(row) for row in chosen(order)]


@pytest.mark.parametrize("count", [1, 5, MOST])
def test_all_trials_of_a_small_study_are_chosen(count: int) -> None:
    assert ranks(count, base=count // 2) == list(range(count))


@pytest.mark.parametrize("base", [0, 3, 50, 99])
def test_the_best_the_base_and_the_last_of_many_trials_are_chosen(base: int) -> None:
    found = ranks(100, base)

    assert len(found) == MOST
    assert found[:BEST] == list(range(BEST))
    assert {base, 99} <= set(found)
    assert min(np.diff([place for place in found[BEST:] if place != base])) > 15


def test_trials_are_named_by_rank_and_what_was_searched(tmp_path: Path) -> None:
    spec, samples = tiny(tmp_path)
    with open_study(spec, samples, Home(tmp_path / "home")) as study:
        summary = summary_of(study, list(run_study(study, executor=inline(study.samples))))
        study.files.result("search", 2).write_bytes(b"damaged")

        compared = compared_trials(summary, study.facts, study.files)

    assert len(compared) == 2
    assert {trial.name.split(": ")[0].split(" ", 1)[1] for trial in compared} == {"base", "trial 1"}
    (searched,) = [trial for trial in compared if "trial 1" in trial.name]
    assert searched.description.startswith("learning_rate 0.0")
    assert ", alpha 0." in searched.description
    assert searched.result.trial == 1


def size_of(picture: bytes) -> tuple[int, int]:
    assert len(picture) < 200_000
    return Image.open(io.BytesIO(picture)).size


@pytest.mark.parametrize(("count", "size"), [(1, (865, 425)), (3, (865, 425)), (4, (865, 710)), (9, (865, 995))])
def test_the_picture_has_a_place_for_every_trial(count: int, size: tuple[int, int]) -> None:
    trials = [ComparedTrial(f"#{i}", "alpha 0.5", trial_result(removals=i % 2 == 0)) for i in range(count)]

    picture = loss_comparison(trials, title="t")

    assert size_of(picture) == size
    assert loss_comparison(trials, title="t") == picture


def test_removed_samples_and_second_modes_are_marked() -> None:
    def pixels(colour: tuple[int, int, int], *, removals: bool) -> int:
        picture = loss_comparison([ComparedTrial("#1", "", trial_result(removals=removals))], title="t")
        close = np.abs(np.asarray(Image.open(io.BytesIO(picture))).astype(int) - colour).max(axis=2) < 4
        return int(close[170:].sum())  # below the legend

    red, orange = (223, 134, 64), (240, 197, 102)
    assert pixels(red, removals=True) > 300
    assert pixels(red, removals=False) == 0
    assert pixels(orange, removals=False) > pixels(orange, removals=True) + 300


def test_trials_without_epochs_get_a_picture_that_says_so() -> None:
    assert size_of(loss_comparison([ComparedTrial("#1", "", svm_result())], title="t")) == (700, 70)
