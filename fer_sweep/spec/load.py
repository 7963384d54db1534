"""load_sweep: from a sweep file and overrides to a checked, frozen SweepSpec."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fer_sweep.spec.checks import check_parameters, check_trials, check_whole
from fer_sweep.spec.parameters import ROOT, flatten_nested, parse_parameters
from fer_sweep.spec.problems import Problems
from fer_sweep.spec.search import Parameter
from fer_sweep.spec.sweep import SweepSpec
from fer_sweep.spec.translation import add_validation_problems

if TYPE_CHECKING:
    from fer_sweep.spec.source import Document


def load_sweep(path: Path, overrides: Sequence[str] = (), environ: Mapping[str, str] = os.environ) -> SweepSpec:
    """Read a sweep file, put `--set path=value` overrides on top, fill in `${NAME}` from `environ`, check everything.

    Raises SpecError with all problems found, each with its file and line (or override), dotted path and remedy."""
    from fer_sweep.spec.source import read_file  # here, because a served model reads no YAML

    data, parameters, problems = _taken_apart(read_file(Path(path), environ), overrides, environ)
    check_parameters(parameters, data, problems)
    spec = _validated(data, parameters, problems)
    if spec is not None:
        check_whole(spec, problems)
    if spec is not None and not problems.found:
        check_trials(spec, problems)
    problems.raise_any()
    assert spec is not None
    return spec


def load_kept(text: str, place: str) -> SweepSpec:
    """The spec of a study, from the copy (YAML) that the study keeps in a place. It was checked when the study began:
    what is advised against since then must not lock away what has been computed.

    Raises SpecError if it is no sweep file of this version."""
    from fer_sweep.spec.source import read_sweep

    data, parameters, problems = _taken_apart(read_sweep(text, place, {}), (), {})
    spec = _validated(data, parameters, problems)
    problems.raise_any()
    assert spec is not None
    return spec


def _taken_apart(
    document: "Document", overrides: Sequence[str], environ: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Parameter], Problems]:
    """What is written in a sweep file, with overrides and variables, and its parameters as far as they are right."""
    from fer_sweep.spec.overrides import apply_overrides

    data, problems = document.data, document.problems
    if isinstance(data.get(ROOT), dict):
        data[ROOT] = flatten_nested(data[ROOT], problems)
    apply_overrides(data, overrides, environ, problems)
    if data.get(ROOT) is None:
        data[ROOT] = {}
    if data[ROOT] == {} and data.get("run_cap") is None:
        data["run_cap"] = 1  # the base alone
    return data, parse_parameters(data[ROOT], problems), problems


def _validated(data: Mapping[str, Any], parameters: Mapping[str, Parameter], problems: Problems) -> SweepSpec | None:
    try:
        return SweepSpec.model_validate({**data, ROOT: parameters})
    except ValidationError as error:
        add_validation_problems(error, SweepSpec, data, problems)
        return None
