import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fer_sweep.study.rows import TrialRow
from fer_sweep.tracking.figures import (
    best_so_far,
    confusion,
    importance,
    loss_histograms,
    reliability,
    removed_by_class,
    slices,
    training_curves,
)
from fer_sweep.tracking.figures.canvas import new_figure, png, shortened, text_width
from fer_sweep.training.calibration import Calibration, calibration_on_test
from fer_sweep.training.calibration import reliability as bins_of
from fer_sweep.training.metrics import Estimate
from fer_sweep.training.records import TrialResult
from fer_sweep.training.removal_metrics import ClassRemovals, removals_by_class
from tests.tracking.factories import CLASS_NAMES, CLASSES, TRAIN_SIZE, svm_result, trial_result, trial_rows

COUNTS = np.array([[40, 10, 0], [5, 45, 0], [0, 0, 0]])
NAMES = ("Angry", "Happy", "Sad")
LABELS = np.arange(2 * TRAIN_SIZE) % CLASSES


def check_png(picture: bytes, *, most: int = 120_000) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(picture) < most
    return Image.open(io.BytesIO(picture)).size


@pytest.mark.parametrize(
    ("draw", "size"),
    [
        (lambda: loss_histograms(trial_result(), title="bdr, trial 3"), (1000, 880)),
        (lambda: training_curves(trial_result(), title="bdr, trial 3"), (1000, 640)),
        (lambda: confusion(COUNTS, NAMES, title="bdr, trial 3"), (620, 305)),
        (lambda: reliability(calibration_on_test(trial_result(), LABELS), title="bdr, trial 3"), (620, 560)),
        (lambda: removed_by_class(removals_by_class(trial_result(), LABELS, 7), CLASS_NAMES, title="bdr"), (700, 355)),
        (lambda: best_so_far(trial_rows(), metric="accuracy", goal="maximize"), (1000, 460)),
        (lambda: importance({"removal.alpha": 0.2, "train.epochs": 0.8}), (800, 185)),
        (lambda: slices(trial_rows(), metric="accuracy"), (900, 590)),
    ],
)
def test_every_picture_is_a_small_png_and_the_same_each_time(draw: Callable[[], bytes], size: tuple[int, int]) -> None:
    picture = draw()
    assert check_png(picture) == size
    assert draw() == picture


def test_losses_without_removals_are_drawn() -> None:
    check_png(loss_histograms(trial_result(removals=False), title="no removal"))


@pytest.mark.parametrize("draw", [loss_histograms, training_curves])
def test_a_model_without_epochs_gets_a_picture_that_says_so(draw: Callable[..., bytes]) -> None:
    width, height = check_png(draw(svm_result(), title="svm, trial 5"))
    assert (width, height) == (700, 70)


def one_epoch(result: TrialResult) -> TrialResult:
    network = result.networks[0]
    short = replace(
        network,
        epochs=0,
        train_loss=network.train_loss[:1],
        loss_variance=network.loss_variance[:1],
        active=network.active[:1],
        histogram_epochs=network.histogram_epochs[:1],
        histograms=network.histograms[:1],
        removals=(),
    )
    return replace(result, networks=(short,), reports=result.reports[:1])


@pytest.mark.parametrize("draw", [loss_histograms, training_curves])
def test_one_network_at_one_epoch_is_drawn(draw: Callable[..., bytes]) -> None:
    check_png(draw(one_epoch(trial_result()), title="stopped at once"))


def test_removals_without_a_threshold_are_drawn() -> None:
    result = trial_result()
    network = result.networks[0]
    rounds = tuple(replace(removal, threshold=float("nan")) for removal in network.removals)
    check_png(loss_histograms(replace(result, networks=(replace(network, removals=rounds),)), title="random removal"))


def test_thresholds_in_other_units_are_left_out() -> None:
    assert loss_histograms(trial_result(), title="t", removal_error="half_sse") != loss_histograms(
        trial_result(), title="t"
    )


def test_reports_without_validation_are_drawn() -> None:
    result = trial_result()
    check_png(
        training_curves(replace(result, reports=tuple(replace(r, validation=None) for r in result.reports)), title="t")
    )


def test_names_with_dollars_are_text_and_not_formulas() -> None:
    check_png(confusion(COUNTS, ("$\\frac$", "<b>$x$</b>", "a $ b"), title="$\\undefined$"))
    check_png(importance({"$\\frac$": 1.0}))
    row = TrialRow(0, "complete", {"$\\frac$": "$\\oops$"}, 0.2, None, 2, 1.0)
    check_png(slices([row], metric="$\\frac$"))


def test_many_trials_still_make_small_pictures() -> None:
    rows = trial_rows(1000)
    check_png(best_so_far(rows, metric="accuracy", goal="maximize"))
    check_png(slices(rows, metric="accuracy"), most=250_000)


@pytest.mark.parametrize("categories", [2, 7, 40])
def test_many_categories_and_logarithmic_parameters_are_drawn(categories: int) -> None:
    rows = [
        replace(
            row, assignments={"features.descriptors": f"lpq+phog {row.number % categories}", "rate": 1 + row.number}
        )
        for row in trial_rows(200)
    ]
    width, height = check_png(slices(rows, metric="accuracy", log_scaled={"rate"}), most=250_000)
    assert (width, height) == (630, 340)
    assert slices(rows, metric="accuracy") != slices(rows, metric="accuracy", log_scaled={"rate"})


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_a_single_trial_is_drawn(goal: str) -> None:
    check_png(best_so_far(trial_rows(1), metric="accuracy", goal=goal))
    check_png(slices(trial_rows(1), metric="accuracy"))


@pytest.mark.parametrize("rows", [[], [row for row in trial_rows() if row.state == "failed"]])
def test_a_search_without_a_complete_trial_gets_a_picture_that_says_so(rows: list[TrialRow]) -> None:
    assert check_png(best_so_far(rows, metric="accuracy", goal="maximize")) == (700, 70)
    assert check_png(slices(rows, metric="accuracy")) == (700, 70)


def test_no_importances_get_a_picture_that_says_so() -> None:
    assert check_png(importance({})) == (700, 70)


def test_one_prediction_has_a_reliability_diagram() -> None:
    bins = bins_of(np.array([[1.0, 0.0]], dtype=np.float32), np.array([1]))
    check_png(reliability(Calibration(Estimate(1.0, None, 1), bins), title="one"))


@pytest.mark.parametrize("classes", [2, 7, 15])
def test_long_class_names_leave_the_cells_their_room(classes: int) -> None:
    counts = np.random.default_rng(0).integers(0, 90_000, (classes, classes))

    width, height = check_png(confusion(counts, [f"{i}{'W' * 39}" for i in range(classes)], title="t"), most=400_000)
    plain, _ = check_png(confusion(counts, [str(i) for i in range(classes)], title="t"), most=400_000)

    assert width <= max(plain + 330, 620)
    assert height <= 60 * classes + 310


def test_text_is_shortened_to_what_fits_and_no_further() -> None:
    text = "a name of forty characters that is long!"
    for width in (0.5, 1.0, 2.0):
        short = shortened(text, width, 10)
        assert short.endswith("…")
        assert text_width(short, 10) <= width < text_width(text[: len(short) + 1] + "…", 10)
    assert shortened(text, 4.0, 10) == text
    assert shortened(text, 0.01, 10) == "…"


def test_pictures_keep_all_their_colours() -> None:
    figure = new_figure(3, 3, constrained=False)
    figure.add_axes((0, 0, 1, 1)).imshow(np.random.default_rng(0).random((40, 40, 3)))

    colours = Image.open(io.BytesIO(png(figure))).getcolors(100_000)

    assert colours is not None
    assert len(colours) > 1500


@pytest.mark.parametrize("repeats", [1, 3])
def test_a_class_that_loses_more_than_the_others_is_red(repeats: int) -> None:
    trained = np.full((repeats, 2, 2), 50)
    removed = np.zeros_like(trained)

    def red_pixels() -> int:
        picture = removed_by_class(ClassRemovals(trained, removed), ("a", "b" * 40), title="t")
        pixels = np.asarray(Image.open(io.BytesIO(picture)))
        return int((pixels == (0xD5, 0x5E, 0x00)).all(axis=2).sum())

    assert red_pixels() == 0
    removed[:] = 10
    assert red_pixels() == 0
    removed[:, :, 1] = 20
    assert red_pixels() > 500
