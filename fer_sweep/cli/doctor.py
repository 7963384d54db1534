"""fer-sweep doctor: what is wrong with a project, what to do about it, and, if asked, doing it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from rich.text import Text

from fer_sweep.cli.console import err, out
from fer_sweep.data.counts import counted
from fer_sweep.errors import FerSweepError
from fer_sweep.study.home import Home
from fer_sweep.study.stored import study_names
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.diagnosis.examination import examine, repair
from fer_sweep.tracking.diagnosis.findings import Finding
from fer_sweep.tracking.rebuild import Rebuilt, rebuild

PROBLEMS_REMAIN = 6
_STYLE = {"ok": "green", "note": "yellow", "problem": "bold red"}


@dataclass(frozen=True)
class Done:
    """A repair: what was done, or why it could not be."""

    worked: bool
    text: str


def show_diagnosis(home: Home, store: Store, *, mend: bool, anew: bool, as_json: bool) -> int:
    """Report what is found; if asked, repair it (mend) and write MLflow's runs anew (anew). Returns the exit code."""
    findings = _look(home, store, as_json=as_json)
    done: list[Done] = []
    if mend:
        done += _tell(_repairs(findings, home, store), as_json=as_json)
    if anew:
        done += _tell(_rebuilds(home, store), as_json=as_json)
    remaining = [finding for finding in findings if finding.level == "problem"]
    if done:
        if not as_json:
            out.print("And now:")
        findings = _look(home, store, as_json=as_json)
        remaining = [finding for finding in findings if finding.level == "problem"]
    failed = [one for one in done if not one.worked]
    if as_json:
        healthy = not remaining and not failed
        repairs = [asdict(one) for one in done]
        out.print_json(json.dumps({"findings": list(map(_as_json, findings)), "repairs": repairs, "healthy": healthy}))
    else:
        out.print(_conclusion(remaining, failed), soft_wrap=True)
    return PROBLEMS_REMAIN if remaining or failed else 0


def _as_json(finding: Finding) -> dict[str, object]:
    return {
        "level": finding.level,
        "subject": finding.subject,
        "found": finding.found,
        "remedy": finding.remedy,
        "repairable": finding.repair is not None,
    }


def _look(home: Home, store: Store, *, as_json: bool) -> list[Finding]:
    """All findings, each shown as soon as it is there."""
    findings = []
    with err.status("looking"):
        for finding in examine(home, store):
            findings.append(finding)
            if not as_json:
                mark = Text(f"{finding.level:<8}", style=_STYLE[finding.level])
                out.print(mark, f"{finding.subject}: {finding.found}", soft_wrap=True, sep="")
                if finding.remedy:
                    out.print(f"        -> {finding.remedy}", soft_wrap=True)
    return findings


def _repairs(findings: Sequence[Finding], home: Home, store: Store) -> Iterator[Done]:
    for what in dict.fromkeys(finding.repair for finding in findings if finding.repair is not None):
        try:
            with err.status("repairing"):
                yield Done(worked=True, text=repair(what, home, store))
        except FerSweepError as error:
            yield Done(worked=False, text=str(error))


def _rebuilds(home: Home, store: Store) -> Iterator[Done]:
    for name in sorted({*study_names(home), *home.tracked_studies()}):
        try:
            with err.status(f"writing study {name} anew"):
                rebuilt = rebuild(name, home, store)
        except FerSweepError as error:
            yield Done(worked=False, text=str(error))
        else:
            yield Done(worked=not rebuilt.refused, text=_rebuilt(rebuilt))


def _rebuilt(rebuilt: Rebuilt) -> str:
    counts = {
        "runs made anew": rebuilt.made,
        "deleted runs restored": rebuilt.restored,
        "incomplete runs written again": rebuilt.rewritten,
        "entries of the outbox made anew": rebuilt.entries,
    }
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"study {rebuilt.study}: {said or 'MLflow had everything'}" + "".join(f"; {why}" for why in rebuilt.refused)


def _tell(done: Iterator[Done], *, as_json: bool) -> list[Done]:
    told = []
    for one in done:
        told.append(one)
        if not as_json:
            mark = Text("repaired " if one.worked else "failed   ", style="green" if one.worked else "bold red")
            out.print(mark, one.text, soft_wrap=True, sep="")
    return told


def _conclusion(remaining: Sequence[Finding], failed: Sequence[Done]) -> str:
    if remaining:
        problems = counted(len(remaining), "problem")
        repairable = sum(finding.repair is not None for finding in remaining)
        more = f"; fer-sweep doctor --repair mends {repairable} of them" if repairable else ""
        return f"{problems}{more}."
    return "Not every repair worked." if failed else "All is well."
