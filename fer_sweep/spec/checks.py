"""Does the search half of a sweep file fit the base? Paths, candidate values, conditions, and what the method needs."""

from collections.abc import Iterator, Mapping
from typing import Any

from fer_sweep.spec.corners import check_corners, corner_trials
from fer_sweep.spec.data import SyntheticFaces, SyntheticFeatures
from fer_sweep.spec.fields import SEARCHABLE, SECTIONS, SearchField, Section, complaint, search_field
from fer_sweep.spec.parameters import ROOT
from fer_sweep.spec.problems import Problems, listed, nearest
from fer_sweep.spec.removal import first_removal
from fer_sweep.spec.resources import check_resources
from fer_sweep.spec.scalars import shown
from fer_sweep.spec.search import Parameter
from fer_sweep.spec.space import contains, extremes_of, size_of
from fer_sweep.spec.sweep import SweepSpec
from fer_sweep.spec.unread import check_read

_LISTED = ("categorical", "constant")
_SEARCHABLE_FIELDS = {f"{name}.{field}": field for name in SEARCHABLE for field in SECTIONS[name].field_names()}


def check_parameters(parameters: Mapping[str, Parameter], data: Mapping[str, Any], problems: Problems) -> None:
    """Check every parameter's path, candidates and conditions against the models. `data` is the sweep file as written,
    which need not be valid: the base's variants are read from it."""
    check = _SpaceCheck(parameters, data, problems)
    for path in parameters:
        check.conditions(path)
    check.cycles()
    for path in parameters:
        check.path(path)
    _check_method(parameters, data, problems)


class _SpaceCheck:
    def __init__(self, parameters: Mapping[str, Parameter], data: Mapping[str, Any], problems: Problems) -> None:
        self._parameters, self._data, self._problems = parameters, data, problems

    def conditions(self, path: str) -> None:
        """Every `when` names another parameter that can take one of the values."""
        written = self._data.get(ROOT, {})
        for parent, values in self._parameters[path].when.items():
            key = (ROOT, path, "when", parent)
            condition = self._parameters.get(parent)
            if condition is None and parent not in written:
                message = "is not in parameters, so nothing depends on it"
                if parent in _SEARCHABLE_FIELDS:
                    self._problems.add(key, message, allowed=f"Add {parent} there, or leave the condition out.")
                else:
                    self._problems.add(key, message, nearest=nearest(parent, written))
            elif condition is not None and condition.distribution not in _LISTED:
                self._problems.add(key, f"{parent} has no values; only a parameter with values can be a condition")
            elif condition is not None and (never := [value for value in values if not contains(condition, value)]):
                choices = listed(shown(value) for value in extremes_of(condition))
                self._problems.add(
                    key, f"{parent} never is {shown(never[0])}", value=never[0], allowed=f"Allowed: {choices}."
                )

    def cycles(self) -> None:
        """No parameter exists only if it exists."""
        for path in self._parameters:
            if path in self._ancestors(path):
                self._problems.add(
                    (ROOT, path, "when"), f"{path} depends on itself, directly or through its conditions"
                )

    def _ancestors(self, path: str) -> set[str]:
        found: set[str] = set()
        waiting = [path]
        while waiting:
            parents = self._parameters[waiting.pop()].when.keys() - found
            found |= parents
            waiting += [parent for parent in parents if parent in self._parameters]
        return found

    def path(self, path: str) -> None:
        """A parameter is a field of a searchable section in every variant in which the parameter exists."""
        name, _, field = path.partition(".")
        section = SECTIONS.get(name)
        if section is not None and name not in SEARCHABLE:
            self._problems.add(
                (ROOT, path),
                f"{name} cannot be searched: all trials share data and splits, so that they can be compared",
                allowed=f"Allowed: fields of {listed(SEARCHABLE)}.",
            )
        elif section is None or field not in section.field_names():
            self._problems.add((ROOT, path), "there is no such field to search", **_closest_field(path))
        elif field == section.discriminator:
            self._discriminator(path, section)
        elif variants := self._variants(path, section, field):
            for tag in variants:
                self._candidates(path, search_field(section.variants[tag], field))

    def _discriminator(self, path: str, section: Section) -> None:
        parameter = self._parameters[path]
        allowed = f"Allowed: {listed(section.variants)}."
        if parameter.distribution not in _LISTED:
            self._problems.add((ROOT, path), f"{path} is not a number; give values: [...]", allowed=allowed)
            return
        for value in extremes_of(parameter):
            if value not in section.variants:
                close = nearest(str(value), section.variants)
                key = (ROOT, path, "values" if parameter.values else "value")
                self._problems.add(key, f"{shown(value)} is not allowed", value=value, allowed=allowed, nearest=close)

    def _variants(self, path: str, section: Section, field: str) -> tuple[str, ...]:
        """The variants in which the parameter exists; a problem is added if the field is missing from one of them."""
        possible = self._reachable(section) or list(section.with_field(field))
        for ancestor in (path, *self._ancestors(path)):
            condition = self._parameters[ancestor].when if ancestor in self._parameters else {}
            if section.discriminator_path in condition:
                possible = [tag for tag in possible if tag in condition[section.discriminator_path]]
        owners = tuple(tag for tag in possible if tag in section.with_field(field))
        if foreign := [tag for tag in possible if tag not in owners]:
            message = f"does not exist when {section.discriminator_path} is {listed(foreign)}"
            remedy = f"It belongs to {section.discriminator_path}: {listed(section.with_field(field))}."
            if owners and section.discriminator_path in self._parameters:
                remedy = f"Add when: {{{section.discriminator_path}: [{', '.join(owners)}]}}."
            self._problems.add((ROOT, path), message, allowed=remedy)
            return ()
        return owners

    def _reachable(self, section: Section) -> list[str]:
        """The variants that trials can have; none if those that are written do not exist, which is told elsewhere."""
        written = self._data.get(section.name)
        own = written.get(section.discriminator) if isinstance(written, dict) else section.default
        parameter = self._parameters.get(section.discriminator_path)
        searched = extremes_of(parameter) if parameter is not None and parameter.distribution in _LISTED else ()
        tags = [own, *searched] if parameter is None or parameter.when else [*searched]
        return [tag for tag in dict.fromkeys(map(str, tags)) if tag in section.variants]

    def _candidates(self, path: str, field: SearchField) -> None:
        """The first value that the field does not take is a problem, unless the parameter has one already."""
        if self._problems.touches((ROOT, path)):
            return
        parameter, accepts = self._parameters[path], field.accepts
        if parameter.distribution not in _LISTED and not accepts.number:
            message = f"{path} is not a number; give values: [...]"
            self._problems.add((ROOT, path), message, allowed=accepts.sentence())
        elif accepts.number == "a whole number" and not _only_whole(parameter):
            message = f"{path} is a whole number, but {parameter.distribution} also draws fractions"
            self._problems.add((ROOT, path), message, allowed=f"Use {_whole_alternative(parameter)}.")
        elif refused := next((item for item in _extremes(parameter) if not field.accepted(item[1])), None):
            key, value = refused
            close = nearest(str(value), accepts.choices)
            self._problems.add(
                (ROOT, path, key), complaint(value, accepts), value=value, allowed=accepts.sentence(), nearest=close
            )
        elif self._by_mistake_whole(path) and accepts.number == "a number":
            low, high = parameter.min or 0, parameter.max or 0
            self._problems.add(
                (ROOT, path),
                f"min: {low} and max: {high} are whole numbers, so that only whole numbers would be tried",
                allowed=f"Write min: {float(low)} for all numbers between, or distribution: int_uniform.",
            )

    def _by_mistake_whole(self, path: str) -> bool:
        inferred = "distribution" not in self._data[ROOT][path]
        return inferred and self._parameters[path].distribution == "int_uniform"


def _closest_field(path: str) -> dict[str, Any]:
    last = path.rpartition(".")[2]
    same_field = next((known for known, field in _SEARCHABLE_FIELDS.items() if field == last), None)
    name = path.partition(".")[0]
    if same_field is None and name in SEARCHABLE:
        close = nearest(last, SECTIONS[name].field_names())
        allowed = f"Allowed: {', '.join(f'{name}.{field}' for field in SECTIONS[name].field_names())}."
        return {"nearest": f"{name}.{close}" if close else None, "allowed": allowed}
    return {
        "nearest": same_field or nearest(path, _SEARCHABLE_FIELDS),
        "allowed": f"Allowed: fields of {listed(SEARCHABLE)}.",
    }


def _extremes(parameter: Parameter) -> Iterator[tuple[str, Any]]:
    if parameter.distribution in _LISTED:
        key = "values" if parameter.distribution == "categorical" else "value"
        yield from ((key, value) for value in extremes_of(parameter))
    else:
        yield from zip(("min", "max"), extremes_of(parameter), strict=True)


def _only_whole(parameter: Parameter) -> bool:
    if parameter.distribution in _LISTED:
        return True  # each value is checked by itself
    if parameter.q is None:
        return parameter.distribution == "int_uniform"
    origin = parameter.min if parameter.distribution == "q_uniform" and parameter.min is not None else 0
    return float(parameter.q).is_integer() and float(origin).is_integer()


def _whole_alternative(parameter: Parameter) -> str:
    if "log" in parameter.distribution:
        return "q_log_uniform_values with a whole q, such as q: 1"
    return "int_uniform with whole min and max, or q_uniform with whole min and q"


def _check_method(parameters: Mapping[str, Parameter], data: Mapping[str, Any], problems: Problems) -> None:
    method = data.get("method", "bayes")
    for path, parameter in parameters.items():
        if method == "grid" and size_of(parameter) is None:
            message = "a grid needs a finite number of values, but this parameter is continuous"
            allowed = "Give values: [...], or distribution: q_uniform with a step q, or use method: bayes."
            problems.add((ROOT, path), message, allowed=allowed)
        if method in ("grid", "qmc") and parameter.probabilities is not None:
            message = f"method {method} ignores probabilities"
            problems.add((ROOT, path, "probabilities"), message, allowed="Remove them, or use method: bayes or random.")
    budget = data.get("budget")
    capped = isinstance(budget, dict) and (budget.get("max_hours") or budget.get("max_gpu_hours"))
    if parameters and method in ("bayes", "random", "qmc") and data.get("run_cap") is None and not capped:
        message = f"nothing ends the search: method {method} proposes for ever"
        allowed = "Add run_cap: 100 (trials), or budget: {max_hours: 2} (or max_gpu_hours)."
        problems.add(("run_cap",), message, allowed=allowed)


def check_whole(spec: SweepSpec, problems: Problems) -> None:
    """Checks that need a valid base: epochs of early termination, and data for the oracle."""
    first = spec.early_terminate.min_epoch
    if first is not None and first > spec.train.last_epoch:
        problems.add(
            ("early_terminate", "min_epoch"),
            f"{first} lies after the last epoch of the base ({spec.train.last_epoch}), so no trial would end early",
            value=first,
            allowed=f"Allowed: a whole number <= {spec.train.last_epoch}.",
        )
    check_resources(spec.resources, problems)
    if spec.protocol.split == "official" and spec.confirm is not None:
        problems.add(
            ("confirm",),
            "a confirmation needs fresh splits, but protocol.split: official is the only one of its kind",
            allowed="Leave confirm out (with protocol.validation_fraction > 0 the search selects on validation "
            "data), or use protocol.split: person.",
        )
    searched = spec.parameters.get("removal.rule")
    planted = isinstance(spec.data, SyntheticFeatures | SyntheticFaces) and spec.data.wrong_labels > 0.0
    remedy = "Use data.source: synthetic_features or synthetic_faces with data.wrong_labels > 0, or another rule."
    if spec.removal.rule == "oracle" and not planted:
        problems.add(
            ("removal", "rule"), "oracle needs planted wrong labels that are known", value="oracle", allowed=remedy
        )
    elif searched is not None and contains(searched, "oracle") and not planted:
        path = (ROOT, "removal.rule", "values")
        problems.add(path, "oracle needs planted wrong labels that are known", value="oracle", allowed=remedy)


def check_trials(spec: SweepSpec, problems: Problems) -> None:
    """Checks of the configurations at the corners of a space that is right in itself: are they valid, does the rule of
    removal act in one of them, is every parameter read by one?"""
    check_corners(spec.base, spec.parameters, problems)
    _check_removal(spec, problems)
    check_read(spec, problems)


def _check_removal(spec: SweepSpec, problems: Problems) -> None:
    """A rule that can act nowhere in the space is `none` under another name."""
    searched = spec.parameters.get("removal.rule")
    unproven = {spec.removal.rule, *(map(str, extremes_of(searched)) if searched is not None else ())}
    idle: dict[str, tuple[int, int]] = {}
    for _, config in corner_trials(spec.base, spec.parameters):
        rule, first, last = config.removal.rule, first_removal(config.removal), config.train.last_epoch
        if first is None or first < last:
            unproven.discard(rule)
        else:
            idle[rule] = min(idle.get(rule, (first, last)), (first, last), key=lambda pair: pair[0] - pair[1])
        if not unproven:
            return
    for rule in unproven & idle.keys():
        first, last = idle[rule]
        problems.add(
            (ROOT, "removal.rule") if searched is not None else ("removal", "rule"),
            f"{rule} can remove nothing before epoch {first}, but training ends at epoch {last}",
            value=rule,
            allowed="Use a smaller removal.interval, an earlier removal.start or more train.epochs.",
        )
