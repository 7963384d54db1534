"""Dispatch: trials wait in a queue and are given to slots, wherever those are; what loses its worker runs again.

The coordinator alone asks, tells and answers; a worker waits for its answer to every report, so trials are pruned
exactly where they would be in one process.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from fer_sweep.data import Split
from fer_sweep.errors import StudyError
from fer_sweep.execution.executor import Idle, Progress, WorkerLost
from fer_sweep.execution.worker import Done, Order
from fer_sweep.training.records import EpochReport, Record, TrialFailure
from fer_sweep.training.trial_run import TrialRequest

MOST_LOSSES = 2
"""Times that a trial may lose its worker and run again."""
LEAVE_SECONDS = 20.0
"""Time for a worker to write its checkpoint when it is told to leave."""
PATIENCE = 600.0
"""Seconds without any worker after which a study ends."""
_LISTEN = 0.2
LONGEST_ROUND = 1.0
"""Seconds that count for a trial_timeout between two looks at the workers. Where more have passed, the coordinator was
held up (its database was away, say), and workers were waiting for its answers."""


class Gone(Exception):
    """The worker of a slot has died; the text says how."""


class Slot(Protocol):
    """A place for one worker at a time. The worker may die; the slot remains."""

    @property
    def ready(self) -> bool:
        """Whether it can be given an order now. Where there is no worker, one is on its way."""

    def order(self, order: Order) -> None:
        """Give the worker something to do. That it has died is seen when it is heard."""

    def hear(self) -> Record | Done:
        """What it says next. Raises Gone if it has died."""

    def answer(self, stop: str | None) -> None:
        """The answer to a report."""

    def cancel(self) -> None:
        """Tell it to leave its trials."""

    def has_left(self, deadline: float) -> bool:
        """Whether it has left its trials before the deadline (monotonic seconds); if not, it is ended."""

    def empty(self) -> None:
        """Make room for another worker; one that is there ends at once."""


S = TypeVar("S", bound=Slot)


@dataclass
class _Group:
    """Trials that run together in a worker. losses: how many workers they have lost; taken: seconds they have had."""

    requests: list[TrialRequest]
    losses: int = 0
    ended: set[int] = field(default_factory=set)
    taken: float = 0.0

    @property
    def left(self) -> list[TrialRequest]:
        """Those that have not ended."""
        return [request for request in self.requests if request.number not in self.ended]


class Dispatch(Generic[S]):
    """The slots of an executor, and the trials that wait for one or run in one."""

    def __init__(
        self, slots: Sequence[S], heard: Callable[[Sequence[S], float], list[S]], *, trial_timeout: float | None
    ) -> None:
        """heard: those of some slots that have something to say, after waiting for at most so many seconds;
        trial_timeout: seconds that one trial may take."""
        self.slots = slots
        self._heard, self._timeout = heard, trial_timeout
        self._busy: dict[S, _Group] = {}
        self._waiting: deque[_Group] = deque()
        self._idle_since: float | None = None
        self._looked = 0.0
        """When the time of the trials was last counted, monotonic seconds."""

    def run(
        self, requests: Sequence[TrialRequest], split: Split, *, folder: Path
    ) -> Generator[Progress, str | None, None]:
        """Run all requests, as many at a time as there are slots. Raises StudyError if there is no worker for long."""
        self._waiting.extend(self._groups(requests))
        self._looked = time.monotonic()
        try:
            while self._waiting or self._busy:
                for slot in self.slots:
                    if self._waiting and slot not in self._busy and slot.ready:
                        self._give(slot, self._waiting.popleft(), split, folder)
                self._complain_if_idle()
                heard = self._heard(list(self._busy), _LISTEN)
                for slot in heard:
                    yield from self._hear(slot)
                if not heard:
                    yield Idle()
                self._count_time()
                for slot in list(self._busy):
                    yield from self._end_if_stuck(slot)
        finally:
            self._leave()

    def close(self) -> None:
        """End all workers."""
        for slot in self.slots:
            slot.empty()

    def _groups(self, requests: Sequence[TrialRequest]) -> Iterator[_Group]:
        """Trials on pictures one by one; of the others, which train as one program, an equal share for every slot."""
        together = [request for request in requests if not request.config.trains_on_pictures]
        yield from (_Group([request]) for request in requests if request.config.trains_on_pictures)
        shares = [together[i :: len(self.slots)] for i in range(len(self.slots))]
        yield from (_Group(share) for share in shares if share)

    def _give(self, slot: S, group: _Group, split: Split, folder: Path) -> None:
        slot.order(Order(tuple(group.requests), split, folder))
        self._busy[slot] = group

    def _complain_if_idle(self) -> None:
        if self._busy:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > PATIENCE:
            raise StudyError(
                f"for {PATIENCE:.0f} seconds there was no worker left to run trials in. Nothing that has ended is "
                "lost: the same command resumes once there are workers again."
            )

    def _hear(self, slot: S) -> Generator[Progress, str | None, None]:
        try:
            message = slot.hear()
        except Gone as gone:
            yield from self._lose(slot, str(gone))
            return
        if isinstance(message, Done):
            del self._busy[slot]
        elif isinstance(message, EpochReport):
            stop = yield message
            slot.answer(stop)
        else:
            self._busy[slot].ended.add(message.trial)
            yield message

    def _lose(self, slot: S, why: str) -> Iterator[Progress]:
        """A worker is gone. What it had not ended runs again, one trial at a time; a trial that has lost too many
        workers fails."""
        group = self._busy.pop(slot)
        slot.empty()
        if group.losses < MOST_LOSSES:
            self._waiting.extendleft(_Group([request], group.losses + 1) for request in reversed(group.left))
            yield from (WorkerLost(request.number, why) for request in group.left)
        else:
            for request in group.left:
                yield TrialFailure(request.number, "lost", f"{why}, {group.losses + 1} times in a row: it is given up")

    def _count_time(self) -> None:
        now = time.monotonic()
        for group in self._busy.values():
            group.taken += min(now - self._looked, LONGEST_ROUND)
        self._looked = now

    def _end_if_stuck(self, slot: S) -> Iterator[Progress]:
        """End trials that take longer than they may. Of several in a process it is not known which one is stuck: they
        run again one by one."""
        group, timeout = self._busy[slot], self._timeout
        if timeout is None or group.taken < timeout * len(group.requests):
            return
        if len(group.requests) > 1:
            yield from self._lose(slot, f"resources.trial_timeout: more than {timeout:g} seconds for each")
            return
        del self._busy[slot]
        slot.empty()
        for request in group.left:
            yield TrialFailure(
                request.number, "timeout", f"resources.trial_timeout: it took more than {timeout:g} seconds"
            )

    def _leave(self) -> None:
        """Tell workers that are busy to write their checkpoints, and wait for it."""
        deadline = time.monotonic() + LEAVE_SECONDS
        for slot in self._busy:
            slot.cancel()
        for slot in self._busy:
            slot.has_left(deadline)
        self._busy.clear()
        self._waiting.clear()
        self._idle_since = None


class Dispatching(Generic[S]):
    """An executor that gives its trials to slots. As a context it leaves nothing behind."""

    _dispatch: Dispatch[S]

    @property
    def slots(self) -> int:
        """Number of workers, where there is room for all."""
        return len(self._dispatch.slots)

    def run(
        self, requests: Sequence[TrialRequest], split: Split, *, folder: Path
    ) -> Generator[Progress, str | None, None]:
        """Run all requests, as many at a time as there are workers. Raises StudyError if there is none for long."""
        return self._dispatch.run(requests, split, folder=folder)

    def close(self) -> None:
        """End all workers."""
        self._dispatch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
