"""Studies: does each one's database, outbox and MLflow tell the same, and is nobody left running?"""

from collections.abc import Iterator

from mlflow import MlflowClient
from mlflow.entities import Run

from fer_sweep.data.counts import counted
from fer_sweep.errors import StudyError, TrackingError
from fer_sweep.study.facts import StudyFacts, load_facts
from fer_sweep.study.home import Home
from fer_sweep.study.standing import run_by
from fer_sweep.study.stored import StoredStudy
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.client import store_errors
from fer_sweep.tracking.diagnosis.findings import CompleteOutbox, EndStudy, Finding, SendOutbox
from fer_sweep.tracking.outbox_state import OutboxState, outbox_state
from fer_sweep.tracking.rebuild import finished_trials, running
from fer_sweep.tracking.sent import Sent, complete_stores, sent_to, unsent

_REBUILD = "fer-sweep doctor --repair (or --rebuild) makes it anew from the database and the results on disk."


def study(
    name: str, stored: StoredStudy | None, home: Home, store: Store, client: MlflowClient | None
) -> Iterator[Finding]:
    """One study. stored: what Optuna's database has of it, None if nothing; client: None if the store is out of
    reach."""
    subject = f"study {name}"
    holder = run_by(home, name)
    if holder is not None:
        yield Finding("ok", subject, f"is being run by {holder}")
        return
    try:
        facts = load_facts(name, home.study(name))
    except StudyError as error:
        yield Finding("problem", subject, str(error))
        return
    state = outbox_state(home, name)
    # given everything under another address: the server's, or that of the database behind it
    nothing = sent_to(home.study(name), store) == Sent()
    elsewhere = nothing and client is not None and _has_all(client, facts, state)
    waiting = [] if elsewhere else list(_waiting(subject, name, home, store))
    found = [*_search(subject, stored), *_outbox(subject, name, state, stored), *waiting]
    known = elsewhere or bool(waiting) or not state.is_whole  # what MLflow has: looked at, or said already
    if client is not None and not known:
        found += _runs(subject, facts, state, client)
    yield from found
    if all(finding.level == "ok" for finding in found):
        where = "" if client is None else f", all of them in {store.name}"
        yield Finding("ok", subject, f"{len(state.finished)} finished trials{where}")


def _search(subject: str, stored: StoredStudy | None) -> Iterator[Finding]:
    if stored is None:
        yield Finding(
            "problem",
            subject,
            "is not in Optuna's database",
            "Restore a backup of optuna.db; without it, it cannot go on.",
        )
        return
    left = sum(row.state == "running" for row in stored.rows)
    if left:
        what = "1 trial is" if left == 1 else f"{left} trials are"
        yield Finding(
            "note",
            subject,
            f"{what} RUNNING in Optuna's database, but nobody runs the study",
            "Run its sweep file again: it goes on with them, under their numbers.",
        )


def _outbox(subject: str, name: str, state: OutboxState, stored: StoredStudy | None) -> Iterator[Finding]:
    if not state.exists:
        yield Finding("problem", subject, "its outbox is gone", _REBUILD, CompleteOutbox(name))
        return
    if not state.is_whole:
        torn = counted(state.torn, "byte")
        found = f"its outbox has {counted(state.damaged, 'damaged entry')} and {torn} of a torn one"
        yield Finding("problem", subject, found, _REBUILD, CompleteOutbox(name))
        return
    ended = [] if stored is None else [r.number for r in stored.rows if r.state in ("complete", "pruned", "failed")]
    lacking = [number for number in ended if ("search", number) not in state.finished]
    if lacking:
        numbers = ", ".join(map(str, lacking[:10]))
        found = f"its outbox lacks the finished trials {numbers}"
        yield Finding("problem", subject, found, _REBUILD, CompleteOutbox(name))
    elif not state.is_ended:
        yield Finding(
            "problem",
            subject,
            "its coordinator died without saying how it ended, so MLflow shows it as running",
            "Run its sweep file again, which goes on; or fer-sweep doctor --repair ends it as Ctrl-C would have.",
            EndStudy(name),
        )


def _waiting(subject: str, name: str, home: Home, store: Store) -> Iterator[Finding]:
    files = home.study(name)
    left, sent = unsent(files, store), sent_to(files, store)
    if left and sent == Sent() and (others := complete_stores(files)):
        yield Finding("note", subject, f"nothing of it was given to {store.name}; all of it to {', '.join(others)}")
    elif left:
        entries = "1 entry waits" if left == 1 else f"{left} entries wait"
        aside = len(sent.aside)
        why = f"; it did not take {'it' if left == aside == 1 else f'{aside} of them'} so far" if aside else ""
        remedy = f"fer-sweep sync {name}{store.options(home)} (or fer-sweep doctor --repair) sends them."
        yield Finding("problem", subject, f"{entries} in its outbox for {store.name}{why}", remedy, SendOutbox(name))


def _has_all(client: MlflowClient, facts: StudyFacts, state: OutboxState) -> bool:
    """Whether MLflow has the end of every trial that the outbox has, and of the study."""
    try:
        known, open_runs = _held(client, facts)
    except TrackingError:
        return False  # which is said of its runs
    return state.is_ended and bool(known) and state.finished <= known and not open_runs


def _held(client: MlflowClient, facts: StudyFacts) -> tuple[set[tuple[str, int]], list[Run]]:
    """What MLflow has of a study: trials that ended (stage and number), runs that it takes to be running."""
    with store_errors(client.tracking_uri, "fer-sweep doctor looks again."):
        return finished_trials(client, facts), running(client, facts)


def _runs(subject: str, facts: StudyFacts, state: OutboxState, client: MlflowClient) -> Iterator[Finding]:
    """What is wrong with MLflow's runs of a study whose outbox is whole and was given to it."""
    try:
        known, open_runs = _held(client, facts)
    except TrackingError as error:
        yield Finding("problem", subject, str(error))
        return
    missing = len(state.finished - known)
    if missing:
        runs = "1 run is" if missing == 1 else f"{missing} runs are"
        yield Finding("problem", subject, f"{runs} missing in MLflow", "fer-sweep doctor --rebuild makes them anew.")
    if open_runs and state.is_ended:
        runs = "1 run is" if len(open_runs) == 1 else f"{len(open_runs)} runs are"
        yield Finding(
            "problem",
            subject,
            f"{runs} RUNNING in MLflow, but nobody runs the study",
            "fer-sweep doctor --repair gives them the status of an interruption.",
            EndStudy(facts.name),
        )
