"""fer-sweep promote: from a study's answer to a model that others may rely on, if the gate lets it pass."""

import json
import re
from dataclasses import dataclass, replace

from fer_sweep.cli.console import err, out
from fer_sweep.cli.gate_progress import GateProgress
from fer_sweep.data import Fold, Samples, load_samples
from fer_sweep.data.cache import Cache
from fer_sweep.errors import StudyError
from fer_sweep.execution.opening import open_executor
from fer_sweep.study.choice import choose
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.home import Home
from fer_sweep.study.summary import describe
from fer_sweep.study.verdict import GateOptions
from fer_sweep.tracking.address import store_of
from fer_sweep.tracking.ending import finished_study
from fer_sweep.tracking.evidence import Examination, as_json
from fer_sweep.tracking.promotion import Promotion
from fer_sweep.tracking.registry import CHALLENGER, check_alias
from fer_sweep.training.trials import choose_device

REFUSED = 5
"""Exit code of a promotion that the gate refused."""


@dataclass(frozen=True)
class Wish:
    """What is asked for. trial: None for the best confirmed; fold: `R/F`, None for all samples; model: None for the
    study's name; force: the reason to promote even if the gate refuses, None not to."""

    study: str
    trial: int | None
    alias: str
    fold: str | None
    model: str | None
    force: str | None
    options: GateOptions


def promote_study(wish: Wish, *, tracking_uri: str | None, place: Home, as_json: bool) -> int:
    """Refit, register, examine, and move the alias or not. Returns the exit code."""
    model = wish.model or wish.study
    check_alias(wish.alias)
    _check_model(model)
    facts, summary = finished_study(wish.study, place)
    fold = None if wish.fold is None else _fold(wish.fold, facts)
    choice = choose(summary, facts.spec, number=wish.trial)
    samples = _samples(facts, place)
    with err.status("asking MLflow"):
        promotion = Promotion(
            store_of(tracking_uri, place), facts, choice, samples, fold=fold, model=model, alias=wish.alias
        )
    if promotion.is_champion:
        return _say_it_is(promotion, as_json=as_json)
    with GateProgress(err) as progress:
        version = progress.follow(promotion.version(choose_device(facts.spec.resources.device)))
        err.print(f"{model} version {version.number}: {describe(choice.assignments)}", soft_wrap=True)
        with open_executor(facts.spec.resources, samples) as executor:
            verdict = progress.follow(promotion.examine(wish.options, place.study(facts.name), executor))
    examined = promotion.conclude(version, verdict, force=wish.force)
    _print(examined, as_json_text=as_json)
    return 0 if examined.move is not None else REFUSED


def _check_model(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise StudyError(f"--name: {name!r} is no name of a model. Use letters, digits, '.', '_' and '-', at most 100.")


def _fold(text: str, facts: StudyFacts) -> Fold:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    found = [f for f in facts.split.folds if match and (f.repeat, f.fold) == (int(match[1]), int(match[2]))]
    if not found:
        last = facts.split.folds[-1]
        raise StudyError(
            f"--fold: {text!r} is no fold of the search of study {facts.name!r}. Use REPEAT/FOLD from 0/0 to "
            f"{last.repeat}/{last.fold}."
        )
    return found[0]


def _samples(facts: StudyFacts, home: Home) -> Samples:
    samples = load_samples(facts.spec.data, Cache(home.cache))
    if samples.fingerprint != facts.fingerprint:
        raise StudyError(
            f"the data of study {facts.name!r} have changed since it was run: they were {facts.fingerprint} and are "
            f"{samples.fingerprint} now. Restore them, or run the sweep file as a study of its own (--set name=...)."
        )
    return replace(samples, warnings=facts.samples.warnings)  # what was said of the study's weights too


def _say_it_is(promotion: Promotion, *, as_json: bool) -> int:
    champion = promotion.champion
    assert champion is not None
    if as_json:
        known = {"model": champion.model, "alias": promotion.alias, "version": champion.number}
        out.print_json(json.dumps({"outcome": "unchanged", **known}))
    else:
        out.print(
            f"{champion.model}@{promotion.alias} is this very model already: version {champion.number}, "
            f"{champion.origin}. Nothing was changed.",
            soft_wrap=True,
        )
    return 0


def _print(examined: Examination, *, as_json_text: bool) -> None:
    if as_json_text:
        out.print_json(json.dumps(as_json(examined)))
        return
    model, number, move = examined.version.model, examined.version.number, examined.move
    champion = examined.champion
    before = "nobody had it before" if champion is None else f"before: version {champion.number}"
    if move is None:
        stays = "nobody" if champion is None else f"version {champion.number}"
        has = " and ".join(f"{model}@{alias}" for alias in examined.version.held or (CHALLENGER,))
        out.print(f"Refused: version {number} stays {has}; {model}@{examined.alias} is {stays}.",
                  style="bold red", soft_wrap=True)  # fmt: skip
    elif move.forced:
        out.print(f"Forced: version {number} is now {model}@{examined.alias} against the gate ({before}).",
                  style="bold yellow", soft_wrap=True)  # fmt: skip
    else:
        out.print(f"Accepted: version {number} is now {model}@{examined.alias} ({before}).",
                  style="bold green", soft_wrap=True)  # fmt: skip
    for check in examined.verdict.checks:
        out.print(
            f"  {'✓' if check.passed else '✗'} {check.text}", style=None if check.passed else "red", soft_wrap=True
        )
    for note in examined.notes:
        out.print(f"note: {note}", style="yellow", soft_wrap=True)
    if move is None:
        out.print("--force moves the alias all the same, and leaves a mark.", soft_wrap=True)
    else:
        out.print(f"Load it: models:/{model}@{examined.alias}", soft_wrap=True)
