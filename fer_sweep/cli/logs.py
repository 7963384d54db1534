"""fer-sweep logs: what a trial printed, and why it failed."""

import json
import re
import sys
import time
from collections.abc import Mapping
from typing import Any

from fer_sweep.cli.console import out
from fer_sweep.errors import StudyError
from fer_sweep.study.home import Home
from fer_sweep.study.standing import run_by, stored_outcome

_NAME = re.compile(r"(?:(search|confirm)/)?(\d+)")
_PAUSE = 0.3


def show_logs(name: str, trial: str, *, follow: bool, home: Home, as_json: bool) -> None:
    """Print what is known of a trial. Raises StudyError for one that does not exist or left nothing to show."""
    match = _NAME.fullmatch(trial)
    if match is None:
        raise StudyError(f"{trial!r} names no trial. Write its number, such as 3, or confirm/3 for its confirmation.")
    stage, number = match[1] or "search", int(match[2])
    row, outcome = stored_outcome(home, name, number)
    files = home.study(name)
    printed = files.printed(stage, number)
    why: Mapping[str, Any] = outcome if stage == "search" and row.state == "failed" else {}
    if as_json:
        body = {"study": name, "stage": stage, "trial": number, "state": row.state, "note": row.note}
        body |= {"failure": why.get("kind"), "traceback": why.get("traceback", "")}
        out.print_json(json.dumps({**body, "printed": printed.decode(errors="replace")}))
        return
    ended = row.state != "running" or stage == "confirm"
    if not printed and not why and not (follow and not ended):
        raise StudyError(
            f"trial {trial} of study {name!r} ({row.state}) has no log: only trials in a process of their own "
            "(--executor pool) leave what they print, those that ran together in the file of the first of them."
        )
    sys.stdout.buffer.write(printed)
    sys.stdout.buffer.flush()
    if follow:
        _follow(home, name, stage, number, len(printed))
        row, outcome = stored_outcome(home, name, number)
        why = outcome if stage == "search" and row.state == "failed" else {}
    if why:
        if why.get("traceback"):
            out.print(why["traceback"].rstrip(), soft_wrap=True)
        out.print(f"trial {number} failed ({why['kind']}): {row.note}", soft_wrap=True)


def _follow(home: Home, name: str, stage: str, number: int, shown: int) -> None:
    """Print what is added, until the trial has ended or nobody runs the study."""
    files, going = home.study(name), True
    while going:
        going = run_by(home, name) is not None and (
            stage == "confirm" or stored_outcome(home, name, number)[0].state == "running"
        )
        printed = files.printed(stage, number)
        sys.stdout.buffer.write(printed[shown:])
        sys.stdout.buffer.flush()
        shown = len(printed)
        if going:
            time.sleep(_PAUSE)
