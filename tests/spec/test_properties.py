"""Properties that hold for whatever is drawn: spaces and their values, YAML text again, and arbitrary input."""

import contextlib
import io
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from fer_sweep.errors import SpecError
from fer_sweep.spec import Parameter, SweepSpec, active, apply, contains, grid, grid_size, to_yaml
from fer_sweep.spec.data import CsvData
from fer_sweep.spec.search import Scalar
from fer_sweep.spec.trial import TrialConfig
from tests.spec.sweep_files import HEAD, load_text

QUICK = settings(max_examples=60, deadline=None)
BASE = TrialConfig(data=CsvData(source="csv", path="f.csv"))

_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | _TEXT
_KEYS = st.sampled_from(
    [
        "name",
        "data",
        "model",
        "train",
        "removal",
        "kind",
        "rule",
        "source",
        "path",
        "alpha",
        "start",
        "epochs",
        "method",
        "metric",
        "parameters",
        "values",
        "min",
        "max",
        "q",
        "when",
        "distribution",
        "probabilities",
        "value",
        "train.epochs",
        "removal.rule",
        "removal.alpha",
        "model.kind",
        "budget",
        "run_cap",
    ]
)
_ANYTHING = st.recursive(
    _SCALARS | st.sampled_from(["mlp", "svm", "bdr", "none", "csv", "grid", "q_uniform", "${X}", "1e-3"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS | _TEXT, inner, max_size=5),
    max_leaves=12,
)
_PARAMETER = st.dictionaries(
    st.sampled_from(["values", "value", "min", "max", "q", "distribution", "probabilities", "when"]),
    _ANYTHING,
    max_size=4,
)
_NUMBERS = st.integers(-5, 5) | st.floats(allow_nan=True) | st.integers()
_RANGE = st.fixed_dictionaries({"min": _NUMBERS, "max": _NUMBERS}, optional={"q": _NUMBERS})


@st.composite
def _stepped(draw: st.DrawFn) -> Parameter:
    low = draw(st.integers(-50, 50) | st.floats(-50, 50).map(lambda x: round(x, 3)))
    q = draw(st.sampled_from([1, 2, 3, 0.1, 0.25, 0.01]))
    return Parameter(distribution="q_uniform", min=low, max=low + q * draw(st.integers(1, 40)), q=q)


@st.composite
def _rounded(draw: st.DrawFn) -> Parameter:
    low = draw(st.floats(0.01, 5).map(lambda x: round(x, 3)))
    q = draw(st.sampled_from([1, 2, 0.1, 0.25]))
    return Parameter(distribution="q_log_uniform_values", min=low, max=low + q * draw(st.integers(1, 20)), q=q)


_LISTED = st.lists(st.integers(-9, 9) | st.booleans() | st.sampled_from(["a", "b"]), min_size=1, max_size=4).map(
    lambda values: Parameter(distribution="categorical", values=tuple({repr(v): v for v in values}.values()))
)
_INTS = st.tuples(st.integers(-9, 9), st.integers(1, 9)).map(
    lambda pair: Parameter(distribution="int_uniform", min=pair[0], max=pair[0] + pair[1])
)


@QUICK
@given(st.one_of(_stepped(), _rounded(), _LISTED, _INTS))
def test_every_point_of_a_grid_is_contained_and_counted(parameter: Parameter) -> None:
    values = [point["x"] for point in grid({"x": parameter})]
    assert len(values) == grid_size({"x": parameter}) == len({repr(value) for value in values})
    assert all(contains(parameter, value) for value in values)


@QUICK
@given(st.one_of(_stepped(), _INTS), st.floats(0.2, 0.8))
def test_between_two_steps_nothing_is_contained(parameter: Parameter, share: float) -> None:
    assert parameter.min is not None
    assert not contains(parameter, parameter.min + share * (parameter.q or 1))


@QUICK
@given(_LISTED, _LISTED, st.data())
def test_a_grid_with_a_condition_has_exactly_the_active_parameters(
    a: Parameter, b: Parameter, data: st.DataObject
) -> None:
    assert a.values is not None
    wanted = tuple(data.draw(st.lists(st.sampled_from(a.values), min_size=1)))
    parameters = {"b": b.model_copy(update={"when": {"a": wanted}}), "a": a}
    points = list(grid(parameters))
    assert all(active(parameters, point) == set(point) for point in points)
    assert len(points) == grid_size(parameters) == len({repr(sorted(point.items())) for point in points})


@QUICK
@given(
    rule=st.sampled_from(["none", "bdr", "guarded"]),
    alpha=st.floats(0.0, 10.0),
    start=st.integers(0, 99) | st.just("past_peak"),
    epochs=st.integers(100, 5000) | st.integers(100, 5000).map(float),
    normalize=st.booleans() | st.just("all"),
)
def test_values_within_their_bounds_build_a_valid_configuration(
    rule: str, alpha: float, start: Scalar, epochs: float, *, normalize: Scalar
) -> None:
    assignments: dict[str, Scalar] = {"removal.rule": rule, "train.epochs": epochs, "train.normalize": normalize}
    if rule != "none":
        assignments |= {"removal.alpha": alpha, "removal.start": start}
    config = apply(BASE, assignments)
    assert TrialConfig.model_validate(config.model_dump()) == config
    assert config.train.epochs == epochs


@QUICK
@given(description=_TEXT, path=_TEXT.filter(bool), rate=st.floats(1e-300, 1000.0), values=st.lists(_TEXT, min_size=1))
def test_any_text_and_number_survives_yaml(description: str, path: str, rate: float, values: list[str]) -> None:
    data = CsvData(source="csv", path=path, features=tuple(values))
    spec = SweepSpec(name="x", data=data, description=description, run_cap=1)
    spec = spec.model_copy(update={"train": spec.train.model_copy(update={"learning_rate": rate})})
    assert load_text(to_yaml(spec), head="") == spec


def _written(value: Any) -> str:
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(value, stream)
    return stream.getvalue()


def _loads_or_is_refused(text: str, *, head: str = "") -> None:
    with contextlib.suppress(SpecError):
        assert isinstance(load_text(text, head=head), SweepSpec)


@QUICK
@given(st.dictionaries(_KEYS | _TEXT, _ANYTHING, max_size=6))
def test_any_mapping_loads_or_is_refused_with_a_spec_error(data: dict[str, Any]) -> None:
    _loads_or_is_refused(_written(data))


@QUICK
@given(
    st.dictionaries(
        st.sampled_from(["train.epochs", "removal.rule", "model.kind", "x", "train.momentum"]), _PARAMETER | _RANGE
    ),
    st.sampled_from(["grid", "bayes", "random"]),
)
def test_any_parameters_load_or_are_refused_with_a_spec_error(parameters: dict[str, Any], method: str) -> None:
    _loads_or_is_refused(_written({"parameters": parameters, "method": method, "run_cap": 3}), head=HEAD)


@QUICK
@given(st.text(st.sampled_from("abc:-[]{}#&*!|>'\"%@` \n\t$0.1e,?~"), max_size=30))
def test_any_text_loads_or_is_refused_with_a_spec_error(text: str) -> None:
    _loads_or_is_refused(text)
