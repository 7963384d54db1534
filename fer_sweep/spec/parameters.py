"""The `parameters` section: from the ways W&B lets people write a parameter to Parameter objects."""

import math
import sys
from collections.abc import Mapping
from itertools import combinations
from typing import Any, get_args

from fer_sweep.spec.problems import Path, Problems, listed, nearest
from fer_sweep.spec.scalars import resolve_plain, same, shown
from fer_sweep.spec.search import Distribution, Parameter, Scalar

ROOT = "parameters"
KEYS = ("distribution", "values", "probabilities", "value", "min", "max", "q", "when")

_SUPPORTED: tuple[str, ...] = get_args(Distribution)
_ALIASES = {"categorical_w_probabilities": "categorical"}
_WANDB_ONLY = (
    "q_log_uniform",
    "inv_log_uniform",
    "inv_log_uniform_values",
    "normal",
    "q_normal",
    "log_normal",
    "q_log_normal",
    "beta",
    "q_beta",
)
_REQUIRED: dict[str, tuple[str, ...]] = {
    "constant": ("value",),
    "categorical": ("values",),
    "uniform": ("min", "max"),
    "int_uniform": ("min", "max"),
    "q_uniform": ("min", "max", "q"),
    "log_uniform_values": ("min", "max"),
    "q_log_uniform_values": ("min", "max", "q"),
}
_FINEST = {name: sys.float_info.max if "q" not in name and "int" not in name else 2.0**53 for name in _REQUIRED}
"""Widest range, in steps: beyond it floats no longer tell neighbours apart."""
_FORMS = "Give values: [...], or value: ..., or min: ... and max: ..."


def flatten_nested(raw: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """W&B's nested form, `removal: {parameters: {alpha: ...}}`, as dotted paths in the same order, places included."""
    flat: dict[str, Any] = {}

    def visit(prefix: str, outer: Path, mapping: Mapping[str, Any]) -> None:
        for key, value in mapping.items():
            name, path = f"{prefix}{key}", (*outer, key)
            if isinstance(value, dict) and isinstance(value.get(ROOT), dict):
                for other in value.keys() - {ROOT}:
                    problems.add((*path, other), f"unknown key beside {ROOT}. Write {name}.<field>: ... instead")
                visit(f"{name}.", (*path, ROOT), value[ROOT])
            elif name in flat:
                problems.add(path, f"{name} is written twice, once dotted and once nested. Keep one of them")
            else:
                flat[name] = value
                inner = [known for known in problems.places if known[: len(path)] == path]
                problems.places |= {(ROOT, name, *known[len(path) :]): problems.places[known] for known in inner}

    visit("", (ROOT,), raw)
    return flat


def parse_parameters(raw: Any, problems: Problems) -> dict[str, Parameter]:
    """Parse the section; parameters with problems are left out, and the problems are collected."""
    if not isinstance(raw, dict):
        message = f"{shown(raw)} is not a mapping of dotted paths such as train.learning_rate"
        problems.add((ROOT,), message, value=raw, allowed=_FORMS + " for each.")
        return {}
    parsed = {name: _Parser(name, value, problems).parse() for name, value in raw.items()}
    return {name: parameter for name, parameter in parsed.items() if parameter is not None}


class _Parser:
    """One parameter: infers the distribution, checks the keys and numbers that belong to it."""

    def __init__(self, name: str, raw: Any, problems: Problems) -> None:
        self._path: Path = (ROOT, name)
        self._raw = raw
        self._problems = problems
        self._before = len(problems.found)

    def parse(self) -> Parameter | None:
        if not isinstance(self._raw, dict):
            self._wrong("", f"{shown(self._raw)} is not a mapping", allowed=f"{_FORMS}.")
            return None
        for key in self._raw.keys() - set(KEYS):
            self._wrong(key, "unknown key", allowed=f"Allowed here: {', '.join(KEYS)}.", nearest=nearest(key, KEYS))
        distribution = self._distribution()
        if distribution is None or self._problems.touches(self._path):
            return None
        self._check_keys(distribution)
        when = self._when()
        if self._failed():
            return None
        self._check_numbers(distribution)
        self._check_values()
        if self._failed():
            return None
        given = {key: self._raw[key] for key in _REQUIRED[distribution]}
        if "probabilities" in self._raw:
            given["probabilities"] = [float(share) for share in self._raw["probabilities"]]
        return Parameter.model_validate({"distribution": distribution, **given, "when": when})

    def _failed(self) -> bool:
        return len(self._problems.found) > self._before

    def _wrong(self, key: str, message: str, *, allowed: str = "", nearest: str | None = None) -> None:
        value = self._raw.get(key) if isinstance(self._raw, dict) else self._raw
        path = (*self._path, key) if key else self._path
        self._problems.add(path, message, value=value, allowed=allowed, nearest=nearest)

    def _distribution(self) -> str | None:
        named = self._raw.get("distribution")
        if named is not None:
            return self._named_distribution(named)
        if "values" in self._raw or "probabilities" in self._raw:
            return "categorical"
        if "value" in self._raw:
            return "constant"
        if "q" in self._raw:
            return "q_uniform"
        if "min" in self._raw or "max" in self._raw:
            whole = all(isinstance(self._raw.get(key, 0), int) for key in ("min", "max"))
            return "int_uniform" if whole else "uniform"
        self._wrong("", "says nothing about which values to try", allowed=f"{_FORMS}.")
        return None

    def _named_distribution(self, named: object) -> str | None:
        if isinstance(named, str) and _ALIASES.get(named, named) in _SUPPORTED:
            return _ALIASES.get(named, named)
        allowed = f"Allowed: {', '.join(_SUPPORTED)}."
        if named == "log_uniform":
            message = "'log_uniform' is refused, because W&B reads its min and max as exponents of e"
            self._wrong("distribution", message, allowed=allowed, nearest="log_uniform_values")
        elif named in _WANDB_ONLY:
            self._wrong(
                "distribution", f"{shown(named)} is a W&B distribution that fer-sweep does not support", allowed=allowed
            )
        else:
            close = nearest(str(named), _SUPPORTED)
            self._wrong("distribution", f"{shown(named)} is not a distribution", allowed=allowed, nearest=close)
        return None

    def _check_keys(self, distribution: str) -> None:
        required = _REQUIRED[distribution]
        optional = ("probabilities",) if distribution == "categorical" else ()
        for key in required:
            if self._raw.get(key) is None:
                self._wrong(key, f"is missing; {distribution} needs {listed(required, word='and')}")
        for key in self._raw.keys() - {*required, *optional, "distribution", "when"}:
            belongs = ", ".join([*required, *optional])
            self._wrong(
                key, f"does not belong to a {distribution} parameter", allowed=f"Allowed here: {belongs}, when."
            )

    def _check_numbers(self, distribution: str) -> None:
        needed = [key for key in ("min", "max", "q") if key in _REQUIRED[distribution]]
        for key in needed:
            self._check_number(key, whole=distribution == "int_uniform")
        if not needed or self._failed():
            return
        low, high, q = self._raw["min"], self._raw["max"], self._raw.get("q")
        if low >= high:
            overridden = self._problems.place((*self._path, "max")).line is None  # the file is not to blame
            self._wrong("max" if overridden else "min", f"min {low} is not below max {high}")
        elif "log" in distribution and low <= 0:
            self._wrong("min", f"{low} has no logarithm", allowed="Allowed: a number > 0.")
        elif q is not None and q <= 0:
            self._wrong("q", f"{q} is not a step", allowed="Allowed: a number > 0.")
        elif q is not None and q > high - low:
            self._wrong("q", f"the step {q} is larger than the range from {low} to {high}")
        elif max(abs(low), abs(high), float(high) - float(low)) / (q or 1) > _FINEST[distribution]:
            self._wrong("max", f"the range from {shown(low)} to {shown(high)} is too wide to be searched")

    def _check_number(self, key: str, *, whole: bool) -> None:
        value = self._raw[key]
        if isinstance(value, str) and type(resolve_plain(value)) in (int, float):
            self._wrong(key, f"{shown(value)} is text because of its quotes; remove the quotes")
        elif type(value) not in (int, float) or not math.isfinite(value):
            self._wrong(key, f"{shown(value)} is not a number")
        elif whole and not isinstance(value, int):
            self._wrong(key, f"{shown(value)} is not a whole number, as int_uniform needs")

    def _check_values(self) -> None:
        if "value" in self._raw and not _is_scalar(self._raw["value"]):
            self._wrong("value", f"{shown(self._raw['value'])} is not a single value")
        if "values" not in self._raw:
            return
        values = self._raw["values"]
        if not isinstance(values, list) or not values:
            self._wrong("values", f"{shown(values)} is not a list of at least one value")
            return
        for value in values:
            if not _is_scalar(value):
                remedy = "Give a value that means as much, such as the number of epochs for train.stop_at."
                message = f"{shown(value)} is not a number, text, true or false"
                self._wrong("values", message, allowed=remedy if value is None else "")
                return
        if twice := [a for a, b in combinations(values, 2) if same(a, b)]:
            self._wrong("values", f"{shown(twice[0])} is listed twice")
        if "probabilities" in self._raw:
            self._check_probabilities(len(values))

    def _check_probabilities(self, count: int) -> None:
        shares = self._raw["probabilities"]
        if not isinstance(shares, list) or any(type(share) not in (int, float) for share in shares):
            self._wrong("probabilities", f"{shown(shares)} is not a list of numbers")
        elif len(shares) != count:
            self._wrong("probabilities", f"there are {len(shares)} probabilities for {count} values")
        elif not all(share >= 0 for share in shares):
            self._wrong("probabilities", "a probability is negative or not a number")
        elif not math.isclose(math.fsum(shares), 1.0, abs_tol=1e-6):
            self._wrong("probabilities", f"the probabilities sum to {math.fsum(shares):g}, not to 1")

    def _when(self) -> dict[str, tuple[Scalar, ...]]:
        raw = self._raw.get("when", {})
        if not isinstance(raw, dict):
            self._wrong("when", f"{shown(raw)} is not a condition", allowed="Write when: {removal.rule: bdr}.")
            return {}
        conditions: dict[str, tuple[Scalar, ...]] = {}
        for name, value in raw.items():
            values = value if isinstance(value, list) else [value]
            if not values or not all(_is_scalar(item) for item in values):
                self._wrong("when", f"{name}: {shown(value)} is not a value or a list of values")
            conditions[name] = tuple(values)
        return conditions


def _is_scalar(value: object) -> bool:
    return isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))
