"""The evidence of a promotion: as JSON and picture in the model's run, and in words on the model version."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fer_sweep.study.choice import Choice
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.summary import describe
from fer_sweep.study.verdict import Check, Verdict, percent
from fer_sweep.study.wording import interval, points
from fer_sweep.tracking import figures
from fer_sweep.tracking.registry import Move, Version, markdown_table, to_the_minute

PICTURE = "evidence.png"


@dataclass(frozen=True, eq=False)
class Examination:
    """A version in front of the gate. runs: ids of the study's run, the trial's and its confirmation's, empty where
    there is none; move: how the alias moved, None if it did not."""

    version: Version
    champion: Version | None
    alias: str
    facts: StudyFacts
    choice: Choice
    verdict: Verdict
    runs: Mapping[str, str]
    at: int
    move: Move | None

    @property
    def is_aside(self) -> bool:
        """Whether this refusal is of a version that has another alias, of which its page goes on to tell."""
        return self.move is None and bool(self.version.held)

    @property
    def forced(self) -> bool:
        return self.move is not None and self.move.forced

    @property
    def outcome(self) -> str:
        """`accepted`, `refused` or `forced`."""
        return "accepted" if self.verdict.accepted else "forced" if self.forced else "refused"

    @property
    def title(self) -> str:
        against = f"no {self.alias} yet" if self.champion is None else f"against version {self.champion.number}"
        return f"{self.outcome.capitalize()}: {self.version.model} version {self.version.number}, {against}"

    @property
    def folder(self) -> str:
        """Where the evidence lies among the artifacts of the model's run, which may be registered under two names and
        be examined for several aliases."""
        return f"evidence/{self.version.model}-v{self.version.number}/{self.alias}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before believing it."""
        said = list(self.verdict.notes)
        trained = None if self.champion is None else self.champion.tags.get("fer.data_fingerprint")
        if trained is not None and trained != self.facts.fingerprint:
            said.insert(
                0,
                f"the champion was trained on other data ({trained}); here both were trained and tested on the "
                f"challenger's ({self.facts.fingerprint})",
            )
        return tuple(said)


def as_json(examined: Examination) -> dict[str, Any]:
    """Every number of an examination, as plain JSON values."""
    verdict, version, facts = examined.verdict, examined.version, examined.facts
    return {
        "outcome": examined.outcome,
        "accepted": verdict.accepted,
        "model": version.model,
        "alias": examined.alias,
        "at": examined.at,
        "move": None if examined.move is None else asdict(examined.move),
        "challenger": {
            "version": version.number,
            "study": facts.name,
            "trial": examined.choice.number,
            "assignments": dict(examined.choice.assignments),
            "config_key": version.tags["fer.config_key"],
            "trained_on": version.tags["fer.trained_on"],
            "data_fingerprint": facts.fingerprint,
            "runs": {"model": version.run_id, **examined.runs},
            "confirmed": _confirmed(examined.choice),
        },
        "champion": _champion(examined.champion),
        "options": asdict(verdict.options),
        "metric": verdict.metric.name,
        "goal": verdict.metric.goal,
        "splits": {
            "hash": verdict.split.hash,
            "folds": verdict.folds,
            "repeats": verdict.options.repeats,
            "person_independent": verdict.split.person_independent,
            "test_to_train": verdict.split.test_to_train,
        },
        "checks": [asdict(check) for check in verdict.checks],
        "scores": _scores(verdict),
        "differences": {name: asdict(comparison) for name, comparison in verdict.comparisons.items()},
        "recall": _recalls(verdict),
        "folds": _folds(verdict),
        "notes": list(examined.notes),
    }


def _confirmed(choice: Choice) -> dict[str, Any] | None:
    if choice.confirmed is None:
        return None
    comparison = choice.confirmed.comparison
    return {
        "metric": asdict(choice.confirmed.metric),
        "against_base": None if comparison is None else asdict(comparison),
    }


def _champion(champion: Version | None) -> dict[str, Any] | None:
    if champion is None:
        return None
    names = ("study", "trial", "config_key", "data_fingerprint", "trained_on")
    return {
        "version": champion.number,
        **{name: champion.tags.get(f"fer.{name}") for name in names},
        "run": champion.run_id,
    }


def _sides(verdict: Verdict) -> dict[str, Any]:
    sides = {"challenger": verdict.challenger, "champion": verdict.champion}
    return {role: scores for role, scores in sides.items() if scores is not None}


def _scores(verdict: Verdict) -> dict[str, Any]:
    return {
        role: {name: asdict(scores.estimate(name)) for name in scores.by_network}
        for role, scores in _sides(verdict).items()
    }


def _recalls(verdict: Verdict) -> dict[str, Any]:
    return {
        name: {role: float(scores.per_class.recall[index]) for role, scores in _sides(verdict).items()}
        for index, name in enumerate(verdict.class_names)
    }


def _folds(verdict: Verdict) -> list[dict[str, Any]]:
    """The metric on every fold: of guessing, and of both sides."""
    values = {role: scores.by_network[verdict.metric.name] for role, scores in _sides(verdict).items()}
    return [
        {
            "repeat": fold.repeat,
            "fold": fold.fold,
            "guessing": float(verdict.guess[fold.repeat, fold.fold]),
            **{role: float(each[fold.repeat, fold.fold]) for role, each in values.items()},
        }
        for fold in verdict.split.folds
    ]


def write_evidence(folder: Path, examined: Examination) -> None:
    """Write the evidence as files into a folder."""
    place = folder / examined.folder
    place.mkdir(parents=True)
    (place / "evidence.json").write_text(json.dumps(as_json(examined), indent=1), encoding="utf-8")
    (place / PICTURE).write_bytes(figures.evidence(examined.verdict, title=examined.title))


def version_tags(examined: Examination) -> dict[str, str]:
    """The numbers that tell versions apart in a list, as tags; an empty one is to be taken away."""
    refused = f"fer.refused_{examined.alias}"
    if examined.is_aside:
        why = " ".join(check.text for check in examined.verdict.failed)
        return {refused: f"{to_the_minute(examined.at)} UTC: {why}"}
    verdict, name = examined.verdict, examined.verdict.metric.name
    found = verdict.comparisons.get(name)
    scores = verdict.challenger
    tags = {
        "fer.gate": examined.outcome,
        f"fer.gate.{name}": "" if scores is None else percent(scores.estimate(name).mean),
        "fer.gate.difference": "" if found is None else f"{points(found.difference)} {interval(found)}",
        "fer.gate.champion": "" if examined.champion is None else str(examined.champion.number),
        "fer.forced": "",
        refused: "",
    }
    move = examined.move
    if move is not None:
        tags[f"fer.previous_{move.alias}"] = "" if move.before is None else str(move.before)
        if move.forced:
            tags["fer.forced"] = f"{move.when} UTC by {move.user}: {move.why}"
    return tags


def version_note(examined: Examination) -> str | None:
    """The description of a model version, in markdown; None if that which it has shall stay."""
    if examined.is_aside:
        return None
    facts, choice, verdict = examined.facts, examined.choice, examined.verdict
    champion = examined.champion
    # relative to the page of the MLflow UI, wherever that is served
    picture = f"get-artifact?path={examined.folder}/{PICTURE}&run_uuid={examined.version.run_id}"
    against = (
        f"No {examined.alias} yet"
        if champion is None
        else f"{examined.alias.capitalize()}: version {champion.number}, {champion.origin}"
    )
    data = f"{examined.version.tags['fer.trained_on']} ({len(facts.samples)} samples, data {facts.fingerprint})"
    lines = [
        f"{examined.title}.",  # plain, because lists show it as it is
        f"Trial {choice.number} of study {facts.name}: {describe(choice.assignments)}; trained on {data}. {against}.",
        "\n".join(_line(check) for check in verdict.checks),
        _table(verdict),
        f"![evidence]({picture})",
        "\n".join(f"- note: {note}" for note in examined.notes),
    ]
    if examined.move is not None and examined.forced:
        lines.insert(1, f"**Forced** by {examined.move.user} on {examined.move.when} UTC: {examined.move.why}")
    return "\n\n".join(line for line in lines if line)


def _line(check: Check) -> str:
    return f"- {'✓' if check.passed else '✗ **failed:**'} {check.text}"


def _table(verdict: Verdict) -> str:
    sides = _sides(verdict)
    if not sides:
        return ""
    rows = []
    for name in next(iter(sides.values())).by_network:
        cells = [percent(scores.estimate(name).mean) for scores in sides.values()]
        found = verdict.comparisons.get(name)
        if found is not None:
            cells += [points(found.difference), interval(found), f"{found.p:.2g}"]
        rows.append([name, *cells])
    columns = ["metric", *sides, *(("difference", "95 % interval", "p") if verdict.comparisons else ())]
    return markdown_table(columns, rows)
