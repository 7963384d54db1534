"""`--set path=value` on top of a file."""

import pytest

from fer_sweep.spec import Parameter, as_written
from fer_sweep.spec.models import MlpModel, SvmModel
from fer_sweep.spec.removal import BdrRemoval, NoRemoval
from tests.spec.sweep_files import load_text, problems_of

BDR = "removal: {rule: bdr, alpha: 0.5, start: 10}\n"
SEARCH = "run_cap: 5\nparameters:\n  train.epochs: {min: 20, max: 50}\n"


def test_values_are_read_as_yaml() -> None:
    spec = load_text("", ["train.epochs=50", "train.learning_rate=1e-3", "train.normalize=false", "description='7'"])
    assert (spec.train.epochs, spec.train.learning_rate, spec.train.normalize) == (50, 0.001, False)
    assert spec.description == "7"


def test_the_last_of_two_overrides_wins() -> None:
    assert load_text("", ["seed=1", "seed=2"]).seed == 2


def test_a_section_can_be_overridden_as_a_whole() -> None:
    assert load_text(BDR, ["removal={rule: none}"]).removal == NoRemoval(rule="none")


def test_variables_are_filled_in() -> None:
    assert load_text("", ["seed=${SEED}"], {"SEED": "4"}).seed == 4


def test_null_is_an_empty_value() -> None:
    assert load_text("train: {stop_at: 5}\n", ["train.stop_at="]).train.stop_at is None


def test_changing_the_variant_drops_foreign_fields_and_keeps_shared_ones() -> None:
    assert load_text(BDR, ["removal.rule=none"]).removal == NoRemoval(rule="none")
    assert load_text(BDR, ["removal.rule=guarded"]).removal.model_dump()["alpha"] == 0.5


def test_fields_of_a_new_variant_may_be_set_in_any_order() -> None:
    overrides = ["removal.alpha=2.0", "removal.rule=bdr"]
    for order in (overrides, overrides[::-1]):
        assert load_text("", order).removal == BdrRemoval(rule="bdr", alpha=2.0)


def test_a_field_of_a_section_that_is_left_out_goes_to_its_default_variant() -> None:
    assert load_text("", ["model.hidden_units=7"]).model == MlpModel(kind="mlp", hidden_units=7)
    assert load_text("", ["model.kind=svm"]).model == SvmModel(kind="svm")


def test_a_whole_parameter_can_be_set() -> None:
    written = "parameters.train.learning_rate={min: 1e-4, max: 1e-1, distribution: log_uniform_values}"
    spec = load_text(SEARCH, [written])
    expected = Parameter(distribution="log_uniform_values", min=1e-4, max=1e-1)
    assert spec.parameters["train.learning_rate"] == expected


def test_one_key_of_a_parameter_can_be_set() -> None:
    assert load_text(SEARCH, ["parameters.train.epochs.max=30"]).parameters["train.epochs"].max == 30


def test_a_parameter_can_be_built_key_by_key() -> None:
    spec = load_text("run_cap: 5\n", ["parameters.train.epochs.min=3", "parameters.train.epochs.max=9"])
    assert spec.parameters["train.epochs"] == Parameter(distribution="int_uniform", min=3, max=9)


def test_all_parameters_can_be_taken_away() -> None:
    assert load_text(SEARCH, ["parameters={}"]).parameters == {}


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("train.epochs=abc", "train.epochs: 'abc' is not a whole number. Allowed: a whole number >= 1 and <= 1000000."),
        ("train.epohcs=5", "train.epohcs: unknown key. Did you mean epochs? Allowed here: optimizer, "),
        ("trian.epochs=5", "trian: unknown key. Did you mean train?"),
        ("model.kind=mpl", "model.kind: 'mpl' is not allowed. Did you mean mlp? Allowed: mlp, svm, cnn or resnet."),
        ("removal.alpha=1.0", "removal.alpha: unknown key (it belongs to removal.rule: bdr or guarded)."),
        ("parameters.train.epohcs={values: [1]}", "parameters.train.epohcs: there is no such field to search."),
        ("parameters.train.epochs=5", "parameters.train.epochs: 5 is not a mapping. Give values: [...]"),
        ("parameters.train.epochs.max=x", "parameters.train.epochs.max: 'x' is not a number."),
        ("seed=${NO}", "seed: the environment variable NO is not set."),
        ("seed", "an override is a dotted path, = and a value, such as --set train.epochs=500."),
        ("=5", "an override is a dotted path, = and a value"),
        ("a..b=5", "an override is a dotted path, = and a value"),
        ("description=@x", "YAML syntax error at column 1: found character '@' that cannot start any token"),
        ("seed={a: 1, a: 2}", "seed.a: the key is written twice. Keep one of them."),
    ],
)
def test_a_problem_in_an_override_names_the_override(override: str, problem: str) -> None:
    [found, *_] = [line for line in problems_of(SEARCH, [override]) if line.startswith("--set")]
    assert found.startswith(f"--set {override}: {problem}")


def test_an_override_that_turns_a_range_around_is_to_blame_for_it() -> None:
    [problem] = problems_of(SEARCH, ["parameters.train.epochs.max=10"])
    assert problem.startswith("--set parameters.train.epochs.max=10: parameters.train.epochs.max: min 20 is not below")


def test_a_file_problem_is_cured_by_an_override() -> None:
    assert load_text("train: {epochs: abc}\n", ["train.epochs=5"]).train.epochs == 5


def test_an_override_spares_the_variable_that_the_file_names() -> None:
    spec = load_text("description: '${NOWHERE}'\n", ["description=given"])

    assert spec.description == "given"


@pytest.mark.parametrize("text", ["a: b", "#1", "1e3", "${HOME}", "C:\\faces", 'a "b"', "null", "Gesichter ü", " x "])
def test_a_text_is_set_as_it_is_written(text: str) -> None:
    assert load_text("", [as_written("description", text)]).description == text
