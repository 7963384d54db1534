"""The losses of a network as frames."""

from dataclasses import replace

import numpy as np
import pytest

from fer_sweep.reporting import film as film_module
from fer_sweep.reporting.film import film
from fer_sweep.training.records import HISTOGRAM_BINS, HISTOGRAM_MAX, NetworkResult
from tests.tracking.factories import svm_result, trial_result

NETWORK = trial_result().networks[0]
REMOVALS = {removal.epoch: removal for removal in NETWORK.removals}


def with_threshold(threshold: float) -> NetworkResult:
    first, *others = NETWORK.removals
    return replace(NETWORK, removals=(replace(first, threshold=threshold), *others))


def test_every_look_is_a_frame_while_there_is_room() -> None:
    shown = film(NETWORK, in_loss=True)

    assert shown is not None
    assert [frame["epoch"] for frame in shown.frames] == NETWORK.histogram_epochs.tolist()
    assert all(len(frame["counts"]) == HISTOGRAM_BINS for frame in shown.frames)
    assert {f["epoch"]: (f["threshold"], f["removed"]) for f in shown.frames if f["removed"]} == {
        epoch: (pytest.approx(removal.threshold), len(removal.removed)) for epoch, removal in REMOVALS.items()
    }


def test_of_many_looks_the_first_the_last_and_those_with_removals_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_module, "MOST_FRAMES", 5)

    shown = film(NETWORK, in_loss=True)

    assert shown is not None
    epochs = [frame["epoch"] for frame in shown.frames]
    assert (epochs[0], epochs[-1]) == (0, NETWORK.epochs)
    assert set(REMOVALS) < set(epochs)
    assert len(epochs) <= 5 + len(REMOVALS)


@pytest.mark.parametrize(
    ("threshold", "in_loss", "drawn"), [(0.3, False, None), (np.nan, True, None), (99.0, True, HISTOGRAM_MAX)]
)
def test_thresholds_in_other_units_or_none_are_not_drawn(threshold: float, in_loss: bool, drawn: float | None) -> None:
    shown = film(with_threshold(threshold), in_loss=in_loss)

    assert shown is not None
    assert next(frame["threshold"] for frame in shown.frames if frame["removed"]) == drawn


def test_a_model_without_epochs_has_no_film() -> None:
    assert film(svm_result().networks[0], in_loss=True) is None
