"""fer-sweep sync: what has been waiting, sent to MLflow."""

import json
from dataclasses import asdict, dataclass

from fer_sweep.cli.console import err, out, warn
from fer_sweep.cli.tracking import namesake
from fer_sweep.data.counts import counted
from fer_sweep.errors import FerSweepError, StudyError, TrackingError
from fer_sweep.study.facts import load_facts
from fer_sweep.study.home import Home
from fer_sweep.study.lock import writer_lock
from fer_sweep.study.standing import run_by
from fer_sweep.tracking.address import Store, store_of
from fer_sweep.tracking.client import open_client
from fer_sweep.tracking.delivery import Damaged, Failing, NothingMore, Ready, SetAside, Written, deliver
from fer_sweep.tracking.outbox_state import outbox_state
from fer_sweep.tracking.sent import unsent


@dataclass(frozen=True)
class Synced:
    """What became of one study: how many entries were written, and why not all, if so."""

    study: str
    written: int
    left: int
    problem: str


def sync_studies(names: list[str], *, tracking_uri: str | None, place: Home, as_json: bool) -> None:
    """Send the outboxes of these studies, or of all. Raises TrackingError if something is left."""
    store, known = store_of(tracking_uri, place), place.tracked_studies()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise StudyError(
            f"no study is called {unknown[0]!r} in {place.root}. Known studies: {', '.join(known) or 'none'}."
        )
    if known:
        open_client(store)  # one clear word before any study
    synced = [_sync(name, place, store) for name in names or known]
    if as_json:
        out.print_json(json.dumps([asdict(study) for study in synced]))
    elif not synced:
        out.print(f"No studies in {place.root} yet, so there is nothing to send.", soft_wrap=True)
    else:
        for study in synced:
            out.print(_sentence(study, store), soft_wrap=True)
    left = [study.study for study in synced if study.problem]
    if left:
        raise TrackingError(f"not everything could be sent of: {', '.join(left)}. Run fer-sweep sync again.")


def _sync(name: str, home: Home, store: Store) -> Synced:
    files, written, problems = home.study(name), 0, []
    try:
        with writer_lock(name, files, timeout=0.0), err.status(f"sending {name}") as status:
            for progress in deliver(load_facts(name, files), files, store, NothingMore()):
                match progress:
                    case Written(new=True):
                        written += 1
                        status.update(f"sending {name}: {written} entries written")
                    case Ready(namesakes=namesakes):
                        if namesakes:
                            warn(namesake(name, store))
                    case SetAside(why=why):
                        problems.append(why)
                    case Damaged():
                        err.print(f"warning: a damaged entry in the outbox of {name} is passed over", style="yellow")
                    case Failing(why=why):
                        status.update(f"sending {name}: {why}")
            _say_torn(name, home)
    except FerSweepError as error:
        problems.append(str(error))
    return Synced(name, written, unsent(files, store), " ".join(dict.fromkeys(problems)))


def _say_torn(name: str, home: Home) -> None:
    torn = 0 if run_by(home, name) else outbox_state(home, name).torn  # whoever runs it may just be writing
    if torn:
        warn(
            f"the outbox of {name} ends in the middle of an entry (a crash, or a full disk): its last "
            f"{counted(torn, 'byte')} cannot be sent. What it was about is noted anew by fer-sweep doctor --repair"
            f"{home.option}, or by running the sweep file again."
        )


def _sentence(study: Synced, store: Store) -> str:
    entries = counted(study.written, "entry")
    if study.problem:
        return f"{study.study}: {entries} written, {study.left} left: {study.problem}"
    if not study.written:
        return f"{study.study}: {store.name} has everything already"
    return f"{study.study}: {entries} written to {store.name}"
