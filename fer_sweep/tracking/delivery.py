"""Delivery: the outbox of a study read from its beginning and written to an MLflow store, whatever the store does.

Nothing is kept in memory but the line at hand. After a failure everything that is known of the store is looked up anew:
what a lost answer left behind is found by its tags.
"""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

from fer_sweep.errors import TrackingError, TrackingRefused
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.home import StudyFiles
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.client import open_client
from fer_sweep.tracking.drawn_ahead import DrawnAhead
from fer_sweep.tracking.entries import to_event
from fer_sweep.tracking.outbox import Entry, read_outbox
from fer_sweep.tracking.sent import Sent, save_sent, sent_to, set_aside
from fer_sweep.tracking.tracker import Tracker

POLL = 0.2
"""Seconds between two looks at an outbox that has nothing new."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds before the store is asked again: doubled with every failure in a row."""
PATIENCE = 10.0
"""Seconds for which a store may fail in a row once nothing more will come."""
LOOK = 1.0
"""Seconds between two looks, while the store is away, for trials to draw."""
SAVE_EVERY = 1.0
"""Seconds between two notes of how far the store is."""
MOST_TRIES, MOST_REFUSALS = 3, 2
"""How often an entry may fail in a row, while the store answers everything else, before the others go ahead of it."""
LATE = 2.0
"""Seconds after the last failure in which a request that was given up may still be carried out."""
ASIDE_PAUSE = 60.0
"""Seconds before an entry that was set aside is tried again; and once more when nothing more will come."""


@dataclass(frozen=True)
class Ready:
    """The store has answered, and what it has of the study is known. parent: the study's run, if it has one already;
    namesakes: how many studies of other homes have its name there."""

    experiment: str
    parent: str | None
    namesakes: int


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
    """The store does not take this entry, though it takes others. The rest goes ahead of it; it is tried again last."""

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
    with DrawnAhead(facts, files) as ahead:
        yield from _deliver(_Delivery(facts, files, store, ahead), source, patience, wait_for_store)


def _deliver(delivery: "_Delivery", source: Source, patience: float, wait_for_store: bool) -> Generator[Progress]:
    failing_since: float | None = None  # or since the source has ended, if that was later
    end_seen = False
    settled = 0.0  # when all that was given up will have been carried out; 0: nothing was
    pause = FIRST_PAUSE
    if not wait_for_store:
        yield delivery.connect()
    while True:
        ended = source.ended  # before the last look, so that nothing written in between is missed
        try:
            if delivery.lost:
                yield delivery.connect()
            for progress in delivery.read(last=ended):
                failing_since, pause = None, FIRST_PAUSE
                yield progress
            if ended and settled:
                source.wait(max(0.0, settled - time.monotonic()))
                yield delivery.connect()  # a run that was created late, after another in its place, goes
        except TrackingError as error:
            delivery.disconnect()
            now = time.monotonic()
            settled = now + LATE
            if failing_since is None or (source.ended and not end_seen):
                failing_since = now
            end_seen = source.ended
            if source.ended and now - failing_since >= patience and not delivery.doubts:
                raise
            yield Failing(str(error), pause)
            delivery.pause(source, pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            continue
        if ended:
            return
        source.wait(POLL)


class _Delivery:
    """Where a delivery stands."""

    def __init__(self, facts: StudyFacts, files: StudyFiles, store: Store, ahead: DrawnAhead) -> None:
        self._facts, self._files, self._store, self._ahead = facts, files, store, ahead
        self._tracker: Tracker | None = None
        self._position = 0
        self._sent = sent_to(files, store)
        self._aside = self._sent.aside
        self._provenance: dict[str, str] = {}
        self._failing: tuple[int, int] | None = None
        """An entry, by its end, that the store did not take, and how often in a row."""
        self._saved = self._tried_aside = time.monotonic()

    @property
    def lost(self) -> bool:
        """Whether the store must be looked at anew."""
        return self._tracker is None

    @property
    def doubts(self) -> bool:
        """Whether the entry at hand may be at fault, rather than the store."""
        return self._failing is not None

    def connect(self) -> Ready:
        """Look up what the store has of the study."""
        try:
            tracker = Tracker(open_client(self._store), self._facts, self._files, self._store)
        except TrackingError:
            self._failing = None
            raise
        tracker.provenance = self._provenance
        self._tracker = tracker
        return Ready(tracker.experiment, tracker.parent_run, tracker.namesakes)

    def disconnect(self) -> None:
        """Forget what the store had of the study: after an error nobody knows."""
        self._tracker = None
        self.save()

    def pause(self, source: Source, seconds: float) -> None:
        """Let some time pass, not longer than until the source ends, and draw meanwhile what will be sent after it."""
        if source.ended:
            source.wait(seconds)
            return
        until = time.monotonic() + seconds
        while not source.ended and (left := until - time.monotonic()) > 0:
            drawn = self._ahead.draw_next(max(self._position, self._sent.end))
            source.wait(0.0 if drawn else min(left, LOOK))

    def read(self, *, last: bool) -> Iterator[Progress]:
        """Write what is new in the outbox; then, if this is the last time or enough time has passed, what was set
        aside earlier. After an error the store must be looked at anew."""
        waiting = self._aside
        for line in read_outbox(self._files.outbox, self._position):
            entry = line.entry
            if entry is None:
                self._position = line.end
                yield Damaged(line.end)
                continue
            if entry.kind == "opened":
                self._provenance = self._known.provenance = entry.body["provenance"]
            new = line.end not in waiting and (line.end > self._sent.end or not self._known.holds(entry))
            if new and (fault := self._write(entry, line.end)) is not None:
                self._aside |= {line.end}
                yield SetAside(entry, str(fault))
            self._position = line.end
            self._ahead.discard(line.end)
            if time.monotonic() - self._saved >= SAVE_EVERY:
                self.save()
            yield Written(line.end, new and line.end not in self._aside)
        if self._aside and (last or time.monotonic() - self._tried_aside >= ASIDE_PAUSE):
            yield from self._try_aside(every=last)
        self.save()

    def _write(self, entry: Entry, end: int) -> TrackingError | None:
        """Write an entry. Returns why it must be set aside, or None; raises if it shall be tried again."""
        try:
            event = to_event(entry, self._facts, self._files)
            self._known.record(event, at=entry.at, drawn=self._ahead.folder(end))
        except TrackingError as error:
            refused = isinstance(error, TrackingRefused)
            times = 1 if self._failing is None or self._failing[0] != end else self._failing[1] + 1
            self._failing = end, times
            if times < (MOST_REFUSALS if refused else MOST_TRIES):
                raise
            self.connect()
            self._failing = None
            if not refused:
                if self._known.parent_run is None:  # nothing else can be written without it
                    raise
                self._known.require_writing()  # or else the store is at fault
            return error
        self._failing = None
        return None

    def _try_aside(self, *, every: bool) -> Iterator[Progress]:
        """Try again what was set aside; up to the first failure, unless `every` entry shall have its turn."""
        self._tried_aside = time.monotonic()
        waiting = set_aside(self._files, self._aside)
        self._aside = frozenset(waiting)
        for end, entry in waiting.items():
            try:
                self._known.record(to_event(entry, self._facts, self._files), at=entry.at)
            except TrackingError as error:
                self.connect()
                yield SetAside(entry, str(error))
                if not every:
                    return
            else:
                self._aside -= {end}
                yield Written(self._position, new=True)

    @property
    def _known(self) -> Tracker:
        assert self._tracker is not None
        return self._tracker

    def save(self) -> None:
        """Keep how far the store is."""
        now = Sent(max(self._position, self._sent.end), self._aside)
        if now != self._sent:
            save_sent(self._files, self._store, now)
            self._sent = now
        self._saved = time.monotonic()
