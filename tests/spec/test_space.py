"""The search space: inferred distributions, conditions, domains, the grid, and its corners."""

import pytest

from fer_sweep.spec import Parameter, active, contains, grid, grid_size, in_topological_order, values_of
from fer_sweep.spec.search import Scalar
from tests.spec.sweep_files import load_text, problems_of

RULES = Parameter(distribution="categorical", values=("none", "bdr"))
ALPHA = Parameter(distribution="categorical", values=(0.5, 1.0), when={"removal.rule": ("bdr",)})
EPOCHS = Parameter(distribution="int_uniform", min=1, max=3)


@pytest.mark.parametrize(
    ("written", "distribution"),
    [
        ("values: [1, 2]", "categorical"),
        ("values: [1, 2], probabilities: [1, 0]", "categorical"),
        ("distribution: categorical_w_probabilities, values: [1, 2], probabilities: [0.2, 0.8]", "categorical"),
        ("value: 3", "constant"),
        ("distribution: constant, value: 3", "constant"),
        ("min: 1, max: 4", "int_uniform"),
        ("min: 1, max: 9, q: 2", "q_uniform"),
        ("distribution: q_log_uniform_values, min: 1, max: 9, q: 2", "q_log_uniform_values"),
    ],
)
def test_the_distribution_is_inferred_as_wandb_does(written: str, distribution: str) -> None:
    spec = load_text(f"method: random\nrun_cap: 5\nparameters:\n  train.epochs: {{{written}}}\n")
    assert spec.parameters["train.epochs"].distribution == distribution


def test_any_float_bound_makes_a_range_continuous() -> None:
    spec = load_text("run_cap: 5\nparameters:\n  train.weight_decay: {min: 0, max: 1.0}\n")
    assert spec.parameters["train.weight_decay"].distribution == "uniform"


def test_wandbs_nested_form_becomes_dotted_paths_in_place() -> None:
    text = """run_cap: 5
parameters:
  train:
    parameters:
      epochs: {min: 5, max: 9}
  train.weight_decay: {value: 0.5}
"""
    assert list(load_text(text).parameters) == ["train.epochs", "train.weight_decay"]
    [problem] = problems_of(text.replace("max: 9", "max: 2"))
    assert problem.startswith("s.yaml:7: parameters.train.epochs.min: min 5 is not below max 2")


def test_without_parameters_only_the_base_runs() -> None:
    assert load_text("").run_cap == 1
    assert load_text("parameters:\n").run_cap == 1
    assert load_text("run_cap: 4\n").run_cap == 4


def test_a_budget_of_hours_ends_a_search_too() -> None:
    text = "budget: {max_hours: 1}\nparameters:\n  train.epochs: {values: [1]}\n"
    assert load_text(text).run_cap is None


@pytest.mark.parametrize("written", ["bdr", "[bdr]", "[bdr, guarded]"])
def test_a_condition_may_be_a_value_or_a_list(written: str) -> None:
    text = f"""run_cap: 5
parameters:
  removal.alpha: {{values: [0.5], when: {{removal.rule: {written}}}}}
  removal.rule: {{values: [none, bdr, guarded]}}
"""
    expected = tuple(written.strip("[]").split(", "))
    assert load_text(text).parameters["removal.alpha"].when == {"removal.rule": expected}


def test_fields_of_another_variant_may_be_searched_when_the_variant_is() -> None:
    text = """run_cap: 5
parameters:
  model.kind: {values: [mlp, svm]}
  model.c: {distribution: log_uniform_values, min: 0.1, max: 10, when: {model.kind: svm}}
  model.hidden_units: {values: [5, 10], when: {model.kind: mlp}}
"""
    assert len(load_text(text).parameters) == 3


def test_conditions_are_inherited_from_conditions() -> None:
    text = """run_cap: 5
parameters:
  removal.rule: {values: [none, bdr]}
  removal.error: {values: [cross_entropy, half_sse], when: {removal.rule: bdr}}
  removal.alpha: {values: [0.5, 1.0], when: {removal.error: half_sse}}
"""
    assert grid_size(load_text(text).parameters) == 4


def test_whole_floats_are_accepted_for_whole_numbers() -> None:
    assert load_text("run_cap: 5\nparameters:\n  train.epochs: {values: [5.0, 6]}\n").parameters


def test_a_parameter_exists_only_under_its_condition() -> None:
    parameters = {"removal.alpha": ALPHA, "removal.rule": RULES}
    assert active(parameters, {"removal.rule": "bdr"}) == {"removal.alpha", "removal.rule"}
    assert active(parameters, {"removal.rule": "none"}) == {"removal.rule"}
    assert active(parameters, {}) == {"removal.rule"}


def test_a_parameter_under_a_condition_that_does_not_exist_does_not_exist() -> None:
    child = Parameter(distribution="constant", value=1, when={"removal.alpha": (0.5,)})
    parameters = {"removal.rule": RULES, "removal.alpha": ALPHA, "removal.interval": child}
    assert active(parameters, {"removal.rule": "none", "removal.alpha": 0.5}) == {"removal.rule"}


def test_parents_come_before_children_and_else_the_file_order_holds() -> None:
    parameters = {"train.epochs": EPOCHS, "removal.alpha": ALPHA, "removal.rule": RULES}
    assert in_topological_order(parameters) == ("train.epochs", "removal.rule", "removal.alpha")


def test_the_grid_varies_the_last_parameter_fastest_and_leaves_out_what_does_not_exist() -> None:
    parameters = {"removal.alpha": ALPHA, "removal.rule": RULES, "train.epochs": EPOCHS}
    points = list(grid(parameters))
    assert points[:4] == [
        {"removal.rule": "none", "train.epochs": 1},
        {"removal.rule": "none", "train.epochs": 2},
        {"removal.rule": "none", "train.epochs": 3},
        {"removal.rule": "bdr", "removal.alpha": 0.5, "train.epochs": 1},
    ]
    assert len(points) == 9 == grid_size(parameters)
    assert list(points[3]) == ["removal.alpha", "removal.rule", "train.epochs"]


def test_a_grid_of_nothing_is_the_base_alone() -> None:
    assert list(grid({})) == [{}]
    assert grid_size({}) == 1


def test_a_continuous_parameter_makes_the_space_infinite() -> None:
    uniform = Parameter(distribution="uniform", min=0.0, max=1.0)
    assert grid_size({"train.epochs": EPOCHS, "train.momentum": uniform}) is None
    only_bdr = Parameter(distribution="uniform", min=0.0, max=1.0, when={"removal.rule": ("guarded",)})
    assert grid_size({"removal.rule": RULES, "removal.alpha": only_bdr}) == 2


def test_a_huge_grid_is_counted_without_listing_it() -> None:
    wide = Parameter(distribution="int_uniform", min=1, max=10**9)
    assert grid_size({"train.epochs": wide, "model.hidden_units": wide}) == 10**18
    assert next(grid({"train.epochs": wide})) == {"train.epochs": 1}


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        (Parameter(distribution="q_uniform", min=0.1, max=0.5, q=0.1), [0.1, 0.2, 0.3, 0.4, 0.5]),
        (Parameter(distribution="q_uniform", min=5, max=20, q=10), [5, 15]),
        (Parameter(distribution="q_log_uniform_values", min=3, max=9, q=2), [4, 6, 8]),
        (Parameter(distribution="q_log_uniform_values", min=0.1, max=0.3, q=0.1), [0.1, 0.2, 0.3]),
        (Parameter(distribution="int_uniform", min=-1, max=1), [-1, 0, 1]),
        (Parameter(distribution="constant", value="adam"), ["adam"]),
    ],
)
def test_the_values_of_a_stepped_parameter_are_those_people_write(parameter: Parameter, values: list[Scalar]) -> None:
    found = list(values_of(parameter))
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("parameter", "inside", "outside"),
    [
        (RULES, ["none"], ["random", 1, True]),
        (Parameter(distribution="categorical", values=(True, "all")), [True], [1, 1.0, False]),
        (Parameter(distribution="constant", value=3), [3, 3.0], [True, 4]),
        (Parameter(distribution="uniform", min=0.0, max=1.0), [0, 0.5, 1.0], [-0.1, 1.1, True, "0.5"]),
        (EPOCHS, [1, 2.0], [0, 1.5, 4, True]),
        (Parameter(distribution="q_uniform", min=0.1, max=0.5, q=0.1), [0.30000000000000004, 0.5], [0.25, 0.6]),
        (Parameter(distribution="q_log_uniform_values", min=3, max=9, q=2), [4, 8], [3, 5, 10]),
        (Parameter(distribution="log_uniform_values", min=0.1, max=1.0), [0.2], [0.05]),
    ],
)
def test_a_domain_contains_its_values_only(parameter: Parameter, inside: list[Scalar], outside: list[Scalar]) -> None:
    assert [value for value in inside if not contains(parameter, value)] == []
    assert [value for value in outside if contains(parameter, value)] == []


def test_a_corner_that_breaks_a_rule_is_reported_with_the_values_that_do_so_together() -> None:
    text = """run_cap: 5
removal: {rule: bdr, start: 10}
parameters:
  train.learning_rate: {min: 0.1, max: 0.5}
  removal.start: {values: [10, 25, 50, past_peak]}
  train.epochs: {values: [20, 60]}
"""
    [problem] = problems_of(text)
    assert problem == (
        "s.yaml:7: parameters.removal.start: with removal.start = 25 and train.epochs = 20: removal.start: 25 is never "
        "reached, because training ends at epoch 20. Use a smaller removal.start or more train.epochs. "
        "Other values of these parameters fail alike."
    )


def test_a_single_value_that_breaks_a_rule_with_the_base_is_named_alone() -> None:
    text = "run_cap: 5\nremoval: {rule: bdr, start: 10}\nparameters:\n  removal.start: {values: [10, 3000]}\n"
    [problem] = problems_of(text)
    assert problem.startswith(
        "s.yaml:6: parameters.removal.start: with removal.start = 3000: removal.start: 3000 is never"
    )


def test_variants_that_do_not_go_together_are_found() -> None:
    text = "run_cap: 5\nparameters:\n  model.kind: {values: [mlp, svm]}\n  removal.rule: {values: [none, bdr]}\n"
    [problem] = problems_of(text)
    assert "with model.kind = 'svm' and removal.rule = 'bdr': removal.rule: bdr needs a model" in problem


def test_a_condition_keeps_an_invalid_combination_out() -> None:
    text = """run_cap: 5
parameters:
  model.kind: {values: [mlp, svm]}
  removal.rule: {values: [none, bdr], when: {model.kind: mlp}}
"""
    assert grid_size(load_text(text).parameters) == 3


def test_corners_of_a_large_space_are_searched_along_the_edges_and_at_random() -> None:
    many = "".join(
        f"  {path}: {{min: {low}, max: {high}}}\n"
        for path, low, high in [
            ("train.learning_rate", 0.1, 0.2),
            ("train.label_smoothing", 0.1, 0.2),
            ("train.weight_decay", 0.1, 0.2),
            ("removal.peak_ratio", 0.1, 0.2),
            ("removal.stop_variance", 0.1, 0.2),
            ("removal.min_keep_fraction", 0.1, 0.2),
            ("removal.alpha", 0.1, 0.2),
            ("removal.interval", 1, 5),
        ]
    )
    text = f"run_cap: 5\nremoval: {{rule: bdr, start: 900}}\nparameters:\n{many}"
    assert (
        len(load_text(text + "  removal.start: {values: [1, 5]}\n  train.epochs: {min: 10, max: 50}\n").parameters)
        == 10
    )
    [problem] = problems_of(text + "  removal.start: {values: [1, 20]}\n  train.epochs: {min: 10, max: 50}\n")
    assert "with removal.start = 20 and train.epochs = 10: removal.start: 20 is never reached" in problem
