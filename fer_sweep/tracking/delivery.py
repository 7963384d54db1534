"""Delivery: the outbox of a study read from its beginning and written to an MLflow store, whatever the store does.

Nothing is kept in memory but the line at hand. After a failure everything that is known of the store is looked up anew:
what a lost answer left behind is found by its tags.
"""

import json
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

from fer_sweep.errors import TrackingError, TrackingRefused
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.journal import write_atomically
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.client import open_client
from fer_sweep.tracking.entries import to_event
from fer_sweep.tracking.outbox import Entry, read_outbox
from fer_sweep.tracking.tracker import Tracker

POLL = 0.2
"""Seconds between two looks at an outbox that has nothing new."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds before the store is asked again: doubled with every failure in a row."""
PATIENCE = 10.0
"""Seconds for which a store may fail in a row once nothing more will come."""
SAVE_EVERY = 1.0
"""Seconds between two notes of how far the store is."""


@dataclass(frozen=True)
class Ready:
    """The store has answered, and what it has of the study is known. parent: the study's run, if it has one already."""

    experiment: str
    parent: str | None


@dataclass(frozen=True)
class Written:
    """The store has everything up to this offset of the outbox. new: whether this entry had to be written."""

    end: int
    new: bool


@dataclass(frozen=True)
class Failing:
    """The store does not answer; it is asked again after a pause in seconds."""

    why: str
    pause: float


@dataclass(frozen=True)
class SetAside:
    """The store refuses this entry again and again. The rest goes on without it."""

    entry: Entry
    why: str


@dataclass(frozen=True)
class Damaged:
    """A line of the outbox cannot be read."""

    end: int


Progress = Ready | Written | Failing | SetAside | Damaged


class Source(Protocol):
    """Who fills the outbox."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""

    def wait(self, seconds: float) -> None:
        """Let some time pass; not longer than until it has ended."""


class NothingMore:
    """Nobody: the outbox is what it is."""

    ended = True

    def wait(self, seconds: float) -> None:
        """Let some time pass."""
        time.sleep(seconds)


def deliver(
    facts: StudyFacts,
    files: StudyFiles,
    store: Store,
    source: Source,
    *,
    patience: float = PATIENCE,
    wait_for_store: bool = False,
) -> Generator[Progress]:
    """Write the outbox to the store until the source has ended and all is written. The caller holds the writer's lock.

    Raises TrackingError if the store does not answer at first (unless told to wait for it), or for `patience` seconds
    after the source has ended.
    """
    delivery = _Delivery(facts, files, store)
    failing_since: float | None = None
    pause = FIRST_PAUSE
    if not wait_for_store:
        yield delivery.connect()
    while True:
        ended = source.ended  # before the last look, so that nothing written in between is missed
        try:
            if delivery.lost:
                yield delivery.connect()
            for progress in delivery.read():
                failing_since, pause = None, FIRST_PAUSE
                yield progress
        except TrackingError as error:
            now = time.monotonic()
            failing_since = now if failing_since is None else failing_since
            if source.ended and now - failing_since >= patience:
                raise
            yield Failing(str(error), pause)
            source.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            continue
        if ended:
            delivery.save()
            return
        source.wait(POLL)


class _Delivery:
    """Where a delivery stands."""

    def __init__(self, facts: StudyFacts, files: StudyFiles, store: Store) -> None:
        self._facts, self._files, self._store = facts, files, store
        self._tracker: Tracker | None = None
        self._position = 0
        self._sent = sent_to(files, store)
        self._provenance: dict[str, str] = {}
        self._refused_at: int | None = None
        self._all_taken = True
        self._saved = time.monotonic()

    @property
    def lost(self) -> bool:
        """Whether the store must be looked at anew."""
        return self._tracker is None

    def connect(self) -> Ready:
        """Look up what the store has of the study."""
        tracker = Tracker(open_client(self._store), self._facts, self._files, self._store)
        tracker.provenance = self._provenance
        self._tracker = tracker
        return Ready(tracker.experiment, tracker.parent_run)

    def read(self) -> Iterator[Progress]:
        """Write what is new in the outbox. After an error the store must be looked at anew."""
        assert self._tracker is not None
        for line in read_outbox(self._files.outbox, self._position):
            entry = line.entry
            if entry is None:
                self._position = line.end
                yield Damaged(line.end)
                continue
            if entry.kind == "opened":
                self._provenance = self._tracker.provenance = entry.body["provenance"]
            new = line.end > self._sent or not self._tracker.holds(entry)
            if new:
                refusal = self._write(entry, line.end)
                if refusal is not None:
                    yield SetAside(entry, str(refusal))
            self._position = line.end
            if time.monotonic() - self._saved >= SAVE_EVERY:
                self.save()
            yield Written(line.end, new)
        self.save()

    def _write(self, entry: Entry, end: int) -> TrackingRefused | None:
        assert self._tracker is not None
        try:
            self._tracker.record(to_event(entry, self._facts, self._files), at=entry.at)
        except TrackingRefused as error:
            if self._refused_at == end:  # for the second time, with all that is known of the store looked up anew
                self._all_taken = False
                return error
            self._tracker, self._refused_at = None, end
            raise
        except TrackingError:
            self._tracker = None
            raise
        return None

    def save(self) -> None:
        """Keep how far the store is; not beyond an entry that it refused."""
        if self._all_taken and self._position > self._sent:
            self._sent = self._position
            kept = _sent(self._files)
            write_atomically(self._files.sent, json.dumps({**kept, self._store.name: self._sent}).encode())
        self._saved = time.monotonic()


def sent_to(files: StudyFiles, store: Store) -> int:
    """Offset of the outbox up to which the store was given everything."""
    return _sent(files).get(store.name, 0)


def forget(files: StudyFiles, store: Store) -> None:
    """Let everything be looked at again, as if the store had been given nothing."""
    kept = {name: end for name, end in _sent(files).items() if name != store.name}
    write_atomically(files.sent, json.dumps(kept).encode())


def unsent(files: StudyFiles, store: Store) -> int:
    """How many entries of the outbox the store has not been given."""
    return sum(1 for _ in read_outbox(files.outbox, sent_to(files, store)))


def _sent(files: StudyFiles) -> dict[str, int]:
    try:
        kept: dict[str, int] = json.loads(files.sent.read_text())
    except (FileNotFoundError, ValueError):
        return {}  # all is looked at again, which costs time but writes nothing twice
    return kept
