"""stop, cancel, pause, resume, retry, enqueue: orders to a study, whether somebody runs it or not."""

import json
import time
from collections.abc import Sequence
from typing import Literal

from fer_sweep.cli.console import out
from fer_sweep.errors import StudyError
from fer_sweep.study.home import Home
from fer_sweep.study.kept_sweep import kept_sweep
from fer_sweep.study.orders import Orders
from fer_sweep.study.point import point_from
from fer_sweep.study.standing import open_orders, run_by
from fer_sweep.study.stored import stored_study
from fer_sweep.study.summary import describe

ANSWER_SECONDS = 15.0
"""How long stop and cancel wait for the coordinator; a training step without a report may take longer."""


def end_study(name: str, kind: Literal["stop", "cancel"], *, home: Home, as_json: bool) -> None:
    """Order the coordinator of a study to end. Raises StudyError if nobody runs it."""
    orders, holder = open_orders(home, name), run_by(home, name)
    if holder is None:
        raise StudyError(
            f"nobody runs study {name!r} at this moment, so there is nothing to {kind}. To keep the next run from "
            f"asking for trials: fer-sweep pause {name}."
        )
    seen = _given(orders, kind, home, name)
    what = {
        "stop": "its running trials end, then it stops; the same run command resumes it",
        "cancel": "it ends now; the same run command resumes it",
    }[kind]
    late = "" if seen else f" It has not looked yet: it will at the next report of a trial ({holder})."
    _say({"study": name, "order": kind, "seen": seen, "run_by": holder}, f"study {name}: {what}.{late}", as_json)


def _given(orders: Orders, kind: Literal["stop", "cancel"], home: Home, name: str) -> bool:
    """Give an order, again where it came just before a coordinator began. Returns whether it was seen in time."""
    order, deadline = orders.give(kind), time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        answer = orders.answer_to(order)
        if answer == "obeyed":
            return True
        if answer == "too late":
            order = orders.give(kind)
        if answer is None and run_by(home, name) is None:
            return True  # it has ended anyway; the next coordinator forgets the order
        time.sleep(0.1)
    return False


def pause_study(name: str, *, home: Home, as_json: bool) -> None:
    """Let a study ask nothing new until it is resumed."""
    open_orders(home, name).pause()
    holder = run_by(home, name)
    who = "the next run waits" if holder is None else "nothing new is asked after the trials that run"
    text = f"study {name} is paused: {who}, until fer-sweep resume {name}."
    _say({"study": name, "paused": True, "run_by": holder}, text, as_json)


def resume_study(name: str, *, home: Home, as_json: bool) -> None:
    """Undo pause. Raises StudyError if the study is not paused."""
    orders = open_orders(home, name)
    if orders.look().paused is None:
        raise StudyError(f"study {name!r} is not paused, so there is nothing to resume. See fer-sweep status {name}.")
    orders.resume()
    holder = run_by(home, name)
    text = f"study {name} is no longer paused" + _runs(holder)
    _say({"study": name, "paused": False, "run_by": holder}, text, as_json)


def retry_trials(name: str, numbers: Sequence[int], *, home: Home, as_json: bool) -> None:
    """Let failed trials run again: these, or all without numbers. Raises StudyError if there is none."""
    orders, rows = open_orders(home, name), {row.number: row for row in stored_study(home, name).rows}
    again = orders.look().retried
    failed = [row.number for row in rows.values() if row.state == "failed" and row.number not in again]
    for number in numbers:
        if number not in rows:
            raise StudyError(f"study {name!r} has no trial {number}. It has {len(rows)} trials, the first is 0.")
        if number not in failed:
            state = "ordered again already" if number in again else rows[number].state
            raise StudyError(f"trial {number} of study {name!r} is {state}; only failed trials can run again.")
    chosen = list(numbers) or failed
    if not chosen:
        raise StudyError(f"study {name!r} has no failed trial that could run again. See fer-sweep status {name}.")
    for number in chosen:
        orders.give("retry", trial=number)
    holder = run_by(home, name)
    which = f"trial {chosen[0]} runs" if len(chosen) == 1 else f"trials {', '.join(map(str, chosen))} run"
    text = f"study {name}: {which} again, under {'a new number' if len(chosen) == 1 else 'new numbers'}" + _runs(holder)
    _say({"study": name, "retried": chosen, "run_by": holder}, text, as_json)


def enqueue_trial(name: str, assignments: Sequence[str], *, home: Home, as_json: bool) -> None:
    """Let a configuration be the next trial. Raises SpecError if it is no point of the study's space."""
    orders = open_orders(home, name)
    point = point_from(kept_sweep(home, name), assignments)
    order, holder = orders.give("enqueue", assignments=point), run_by(home, name)
    text = f"study {name}: {describe(point)} is proposed next" + _runs(holder)
    _say({"study": name, "order": order.id, "assignments": point, "run_by": holder}, text, as_json)


def _runs(holder: str | None) -> str:
    return f" ({holder} runs it)." if holder is not None else ". Nobody runs it: fer-sweep run its file to go on."


def _say(body: dict[str, object], text: str, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps(body))
    else:
        out.print(text, soft_wrap=True)
