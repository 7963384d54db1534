import numpy as np

from fer_sweep.spec.search import Parameter
from fer_sweep.tracking.scales import categories_of, label_of, logarithmic, scale_of


def test_values_over_decades_get_a_logarithmic_axis() -> None:
    assert scale_of([1e-3, 1e-2, 1e-1]) == "log"


def test_values_drawn_log_uniformly_get_one_however_close_they_are() -> None:
    rate = Parameter(distribution="log_uniform_values", min=1e-3, max=3e-2)
    assert logarithmic({"rate": rate, "alpha": Parameter(distribution="uniform", min=0.0, max=1.0)}) == {"rate"}
    assert scale_of([5e-3, 7e-3, 2e-2], drawn_log=True) == "log"
    assert scale_of([5e-3, 7e-3, 2e-2]) == "linear"


def test_many_uniform_values_do_not() -> None:
    assert scale_of(np.random.default_rng(0).uniform(0, 1, 1000).tolist()) == "linear"


def test_values_of_one_size_zero_and_negative_values_are_linear() -> None:
    assert scale_of([5, 10, 50]) == "linear"
    assert scale_of([0.0, 1e-3, 1.0]) == "linear"
    assert scale_of([-1.0, 1000.0]) == "linear"


def test_words_flags_and_mixtures_are_categories() -> None:
    assert scale_of(["adam", "sgd"]) == "categories"
    assert scale_of([True, False]) == "categories"
    assert scale_of([50, "past_peak"]) == "categories"


def test_counts_and_shares_of_one_parameter_are_no_scale() -> None:
    assert scale_of([5, 20, 0.9]) == "categories"
    assert scale_of([0.0, 0.5, 1]) == "linear"
    assert scale_of([0.5, 5.0, 20.0]) == "linear"


def test_categories_stand_in_the_order_of_their_size() -> None:
    assert categories_of([20, 0.9, 5, 20, 0.5]) == ["5", "20", "0.5", "0.9"]
    assert categories_of(["sgd", True, 100, 20, "adam"]) == ["20", "100", "adam", "sgd", "true"]


def test_flags_are_written_as_in_a_sweep_file() -> None:
    assert label_of(True) == "true"
