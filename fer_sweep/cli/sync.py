"""fer-sweep sync: what has been waiting, sent to MLflow."""

import json
from dataclasses import asdict, dataclass

from fer_sweep.cli.console import err, out
from fer_sweep.errors import FerSweepError, StudyError, TrackingError
from fer_sweep.study.facts import load_facts
from fer_sweep.study.home import Home
from fer_sweep.study.lock import writer_lock
from fer_sweep.tracking.address import Store, store_of
from fer_sweep.tracking.client import open_client
from fer_sweep.tracking.delivery import Damaged, Failing, NothingMore, SetAside, Written, deliver
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
                    case SetAside(why=why):
                        problems.append(why)
                    case Damaged():
                        err.print(f"warning: a damaged entry in the outbox of {name} is passed over", style="yellow")
                    case Failing(why=why):
                        status.update(f"sending {name}: {why}")
    except FerSweepError as error:
        problems.append(str(error))
    return Synced(name, written, unsent(files, store), " ".join(dict.fromkeys(problems)))


def _sentence(study: Synced, store: Store) -> str:
    entries = "1 entry" if study.written == 1 else f"{study.written} entries"
    if study.problem:
        return f"{study.study}: {entries} written, {study.left} left: {study.problem}"
    if not study.written:
        return f"{study.study}: {store.name} has everything already"
    return f"{study.study}: {entries} written to {store.name}"
