"""How a study ended, as its outbox says. Light: loads no MLflow."""

from fer_sweep.errors import StudyError
from fer_sweep.study.facts import StudyFacts, load_facts
from fer_sweep.study.home import Home
from fer_sweep.study.stored import stored_study
from fer_sweep.study.summary import Summary
from fer_sweep.tracking.entries import StudyEnded, to_event
from fer_sweep.tracking.outbox import read_outbox


def finished_study(name: str, home: Home) -> tuple[StudyFacts, Summary]:
    """What a study is and what it found, confirmation included.

    Raises StudyError if there is no such study, or if it has not come to its end.
    """
    stored_study(home, name)
    files = home.study(name)
    facts = load_facts(name, files)
    last = None
    for line in read_outbox(files.outbox):
        if line.entry is not None and line.entry.kind in ("opened", "ended"):
            last = line.entry
    event = None if last is None else to_event(last, facts, files)
    if not isinstance(event, StudyEnded) or event.status != "FINISHED":
        raise StudyError(
            f"study {name!r} is unfinished: it is still running, or was interrupted. Let it end first; running its "
            f"sweep file again goes on where it stopped (a copy is {files.sweep})."
        )
    return facts, event.summary
