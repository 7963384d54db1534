"""The writer: the process that sends a study's outbox to MLflow while the coordinator trains.

python -m fer_sweep.tracking.writer, started by writer_process.py. It reads lines of JSON from stdin: an order, then
`{"end": true}` when nothing more will come; the end of stdin without that means that the coordinator has died, and the
writer leaves at once: the next one goes on. What it has to say goes to stdout, a line of JSON each.
"""

import gc
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

from fer_sweep.errors import FerSweepError, TrackingError
from fer_sweep.study.facts import load_facts
from fer_sweep.study.home import Home
from fer_sweep.study.lock import writer_lock
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.client import open_client
from fer_sweep.tracking.delivery import Damaged, Failing, Progress, Ready, SetAside, Written, deliver
from fer_sweep.tracking.sent import unsent

LOCK_SECONDS = 60.0
"""How long to wait for a writer whose coordinator has died: it finishes the entry at hand."""

NICENESS = 10
"""Training goes first: what is late can be sent while nobody trains, but a network waits for its slowest thread."""


class Orphaned(Exception):
    """The coordinator has died."""


class Coordinator:
    """The other end of stdin."""

    def __init__(self) -> None:
        self._text = b""
        self.ended = False

    def order(self) -> dict[str, Any]:
        """The next line of JSON."""
        while b"\n" not in self._text:
            self._read(None)
        line, _, self._text = self._text.partition(b"\n")
        order: dict[str, Any] = json.loads(line)
        return order

    def wait(self, seconds: float) -> None:
        """Let some time pass, less if the coordinator has something to say."""
        if self.ended:
            select.select([], [], [], seconds)
        elif b"\n" in self._text or (self._read(seconds) and b"\n" in self._text):  # a read may bring several lines
            self.ended = bool(self.order().get("end"))

    def _read(self, seconds: float | None) -> bool:
        if not select.select([0], [], [], seconds)[0]:
            return False
        text = os.read(0, 65536)
        if not text:
            raise Orphaned
        self._text += text
        return True


def main() -> int:
    """Send an outbox until the coordinator says that it is complete. Returns 0, or 4 if not all could be sent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the coordinator, which says when to end
    gc.freeze()  # what was imported stays: not to look through it again and again saves a sixth of the pictures' time
    coordinator = Coordinator()
    try:
        order = coordinator.order()
        store = Store(order["uri"], None if order["artifacts"] is None else Path(order["artifacts"]))
        known = order["known"]  # the store has answered before; it may be away now
        if not known:
            open_client(store)
        say(state="reachable")
        os.nice(NICENESS)
        order = coordinator.order()
        name, files = order["study"], Home(Path(order["home"])).study(order["study"])
        why = ""
        with writer_lock(name, files, timeout=LOCK_SECONDS):
            for progress in deliver(load_facts(name, files), files, store, coordinator, wait_for_store=known):
                coordinator.wait(0.0)
                report(progress)
                why = progress.why if isinstance(progress, SetAside) else why
            left = unsent(files, store)
        if left:
            say(state="failed", why=why, left=left)
            return TrackingError.exit_code
    except FerSweepError as error:
        say(state="failed", why=str(error))
        return error.exit_code
    except (Orphaned, BrokenPipeError):
        return 0
    return 0


def report(progress: Progress) -> None:
    """Tell the coordinator how it goes."""
    match progress:
        case Ready(experiment=experiment, parent=parent, namesakes=namesakes):
            say(state="ready", experiment=experiment, parent=parent, namesakes=namesakes)
        case Written(end=end, new=new):
            if new:
                say(state="written", end=end)
        case Failing(why=why, pause=pause):
            say(state="failing", why=why, pause=pause)
        case SetAside(entry=entry, why=why):
            what = f"{entry.kind} {entry.body.get('stage', '')} {entry.body.get('number', '')}".strip()
            say(state="refused", what=what, why=why)
        case Damaged(end=end):
            say(state="damaged", end=end)


def say(**content: object) -> None:
    """One line to the coordinator."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # MLflow's and SQLAlchemy's threads have nothing left to do
