"""Configurations: a trial's values in the base, values by path, flat form, and YAML text again."""

import pytest

from fer_sweep.errors import SpecError
from fer_sweep.spec import (
    SweepSpec,
    TrialConfig,
    apply,
    flatten,
    on_data_of,
    to_yaml,
    value_at,
)
from fer_sweep.spec.data import CsvData, SyntheticFeatures
from fer_sweep.spec.models import SvmModel
from fer_sweep.spec.removal import BdrRemoval, GuardedRemoval, NoRemoval, OracleRemoval
from fer_sweep.spec.search import Scalar
from tests.spec.sweep_files import load_text

BASE = TrialConfig(data=CsvData(source="csv", path="f.csv"), removal=BdrRemoval(rule="bdr", alpha=0.5, start=10))


def test_values_are_put_in_at_their_paths() -> None:
    config = apply(BASE, {"train.epochs": 50, "removal.alpha": 2, "train.normalize": "all"})
    assert (config.train.epochs, config.train.normalize) == (50, "all")
    assert value_at(config, "removal.alpha") == 2.0
    assert apply(BASE, {}) == BASE


def test_the_base_of_a_sweep_is_a_plain_configuration() -> None:
    spec = load_text("parameters:\n")
    assert type(apply(spec, {"train.epochs": 5})) is TrialConfig


def test_whole_floats_become_ints_for_int_fields() -> None:
    config = apply(BASE, {"train.epochs": 50.0, "train.batch_size": 8.0, "removal.start": 5.0})
    values = [value_at(config, path) for path in ("train.epochs", "train.batch_size", "removal.start")]
    assert values == [50, 8, 5]
    assert {type(value) for value in values} == {int}


def test_a_new_variant_keeps_shared_fields_and_drops_foreign_ones() -> None:
    guarded = apply(BASE, {"removal.rule": "guarded"}).removal
    assert guarded == GuardedRemoval(rule="guarded", alpha=0.5, start=10)  # its own interval: the base's is a default
    assert apply(BASE, {"removal.rule": "none"}).removal == NoRemoval(rule="none")
    assert apply(BASE, {"removal.rule": "oracle"}).removal == OracleRemoval(rule="oracle", start=10)


def test_fields_of_a_new_variant_can_be_given_in_any_order() -> None:
    bare = apply(BASE, {"removal.rule": "none"})
    svm = apply(bare, {"model.c": 3, "model.kind": "svm"})
    assert svm.model == SvmModel(kind="svm", c=3.0)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (
            {"train.epochs": "x"},
            "train.epochs: 'x' is not a whole number. Allowed: a whole number >= 1 and <= 1000000.",
        ),
        ({"train.epohcs": 5}, "train.epohcs: does not exist. Did you mean epochs?"),
        ({"model.c": 5.0}, "model.c: does not exist when model.kind is mlp."),
        ({"removal.rule": "none", "removal.alpha": 1.0}, "removal.alpha: does not exist when removal.rule is none."),
        (
            {"model.kind": "mpl"},
            "model.kind: 'mpl' is not allowed. Did you mean mlp?",
        ),
        (
            {"data.path": "x"},
            "data.path: cannot be assigned; only fields of features, model, train,",
        ),
        ({"train.epochs": 5}, "removal.start: 10 is never reached, because training ends at epoch 5."),
    ],
)
def test_an_invalid_assignment_is_refused_in_plain_words(assignments: dict[str, Scalar], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        apply(BASE, assignments)
    assert str(caught.value).startswith(message)


def test_a_value_that_is_no_parameter_value_is_none() -> None:
    assert value_at(BASE, "removal.start") == 10
    assert value_at(BASE, "removal.rule") == "bdr"
    assert value_at(BASE, "model.c") is None
    assert value_at(BASE, "train.stop_at") is None
    assert value_at(BASE, "nothing.here") is None
    assert value_at(BASE, "train") is None


def test_flat_form_has_every_leaf_by_dotted_path() -> None:
    features = CsvData(source="csv", path="f.csv", features=("a", "b"))
    flat = flatten(BASE.model_copy(update={"data": features}))
    assert flat["data.features"] == '["a", "b"]'
    assert flat["removal.alpha"] == 0.5
    assert flat["train.stop_at"] is None
    assert list(flat)[:2] == ["data.source", "data.path"]


SWEEP = """description: "costs $5, 'on'"
removal: {rule: bdr, stop_variance: null}
run_cap: 5
parameters:
  removal.alpha: {min: 0.0, max: 1.0, when: {removal.rule: bdr}}
  removal.rule: {values: [none, bdr]}
  train.normalize: {values: [true, all, false]}
confirm: {top_k: 2}
"""


def test_flat_form_of_a_sweep_shows_what_parameters_say_only() -> None:
    flat = flatten(load_text(SWEEP))
    assert {path: value for path, value in flat.items() if path.startswith("parameters.removal.alpha.")} == {
        "parameters.removal.alpha.distribution": "uniform",
        "parameters.removal.alpha.min": 0.0,
        "parameters.removal.alpha.max": 1.0,
        "parameters.removal.alpha.when.removal.rule": '["bdr"]',
    }
    assert flat["parameters.train.normalize.values"] == '[true, "all", false]'


def test_yaml_text_of_a_sweep_loads_as_an_equal_sweep() -> None:
    spec = load_text(SWEEP)
    assert spec.removal.model_dump()["stop_variance"] is None
    assert load_text(to_yaml(spec), head="") == spec


def test_yaml_text_of_a_configuration_is_a_base() -> None:
    config = apply(BASE, {"train.epochs": 50})
    assert load_text(to_yaml(config), head="name: x\n").base == config


def test_a_sweep_needs_no_defaults_written_out() -> None:
    spec = SweepSpec(name="x", data=SyntheticFeatures(source="synthetic_features"), run_cap=1)
    assert load_text("", head="name: x\ndata: {source: synthetic_features}\n") == spec


def test_a_configuration_moves_to_other_data_and_folds() -> None:
    data = SyntheticFeatures(source="synthetic_features", samples=80, persons=8)
    other = BASE.model_copy(update={"data": data, "protocol": BASE.protocol.model_copy(update={"folds": 4})})

    moved = on_data_of(apply(BASE, {"train.epochs": 50}), other)

    assert (moved.data, moved.protocol) == (data, other.protocol)
    assert moved.train.epochs == 50
    cnn = TrialConfig.model_validate(
        {"data": {"source": "synthetic_faces"}, "model": {"kind": "cnn"}, "train": {"batch_size": 8}}
    )
    with pytest.raises(SpecError, match=r"model\.kind: cnn needs pictures"):
        on_data_of(cnn, other)
