"""Trials in several processes of this machine, each with its own cores, or with its own GPU or a share of one.

The coordinator alone asks, tells and answers; a worker waits for its answer to every report, so trials are pruned
exactly where they would be in one process. A worker that dies takes no trial with it: its trials run again, those on
pictures from their checkpoints.
"""

import os
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from fer_sweep.data import Samples, Split
from fer_sweep.execution.executor import Progress, WorkerLost
from fer_sweep.execution.slot import GONE, Slot
from fer_sweep.execution.worker import Done, Order, Place
from fer_sweep.training.records import EpochReport, TrialFailure
from fer_sweep.training.trial_run import TrialRequest

MOST_LOSSES = 2
"""Times that a trial may lose its worker and run again."""
LEAVE_SECONDS = 20.0
"""Time for a worker to write its checkpoint when it is told to leave."""


@dataclass
class _Group:
    """Trials that run together in a worker. losses: how many workers they have lost; begun: monotonic seconds."""

    requests: list[TrialRequest]
    losses: int = 0
    ended: set[int] = field(default_factory=set)
    begun: float = 0.0

    @property
    def left(self) -> list[TrialRequest]:
        """Those that have not ended."""
        return [request for request in self.requests if request.number not in self.ended]


class Pool:
    """The executor of one machine. As a context it leaves no process behind.

    Raises StudyError if a worker cannot start.
    """

    def __init__(self, samples: Samples, places: Sequence[Place], *, trial_timeout: float | None = None) -> None:
        """trial_timeout: seconds that one trial may take."""
        self._timeout = trial_timeout
        self._slots = [Slot(place, samples) for place in places]
        self._busy: dict[Slot, _Group] = {}
        self._waiting: deque[_Group] = deque()
        try:
            for slot in self._slots:  # all at the same time
                slot.start()
            for slot in self._slots:
                slot.greet()
        except BaseException:
            self._close()
            raise

    @property
    def slots(self) -> int:
        """Number of workers."""
        return len(self._slots)

    @property
    def device_type(self) -> Literal["cpu", "cuda"]:
        """Where they train."""
        return self._slots[0].place.device

    @property
    def gpus(self) -> int:
        """Number of GPUs that they share."""
        places = [slot.place for slot in self._slots if slot.place.device == "cuda"]
        return len({place.environment["CUDA_VISIBLE_DEVICES"] for place in places})

    def run(
        self, requests: Sequence[TrialRequest], split: Split, *, folder: Path
    ) -> Generator[Progress, str | None, None]:
        """Run all requests, as many at a time as there are workers."""
        self._waiting.extend(self._groups(requests))
        try:
            while self._waiting or self._busy:
                for slot in self._slots:
                    if self._waiting and slot not in self._busy:
                        self._give(slot, self._waiting.popleft(), split, folder)
                for slot in self._heard():
                    yield from self._hear(slot)
                for slot in list(self._busy):
                    yield from self._end_if_stuck(slot)
        finally:
            self._leave()

    def _groups(self, requests: Sequence[TrialRequest]) -> Iterator[_Group]:
        """Trials on pictures one by one; of the others, which train as one program, an equal share for every worker."""
        together = [request for request in requests if not request.config.trains_on_pictures]
        yield from (_Group([request]) for request in requests if request.config.trains_on_pictures)
        shares = [together[i :: self.slots] for i in range(self.slots)]
        yield from (_Group(share) for share in shares if share)

    def _give(self, slot: Slot, group: _Group, split: Split, folder: Path) -> None:
        slot.order(Order(tuple(group.requests), split, folder))
        group.begun = time.monotonic()
        self._busy[slot] = group

    def _heard(self) -> list[Slot]:
        """Those that have something to say."""
        ready = wait([slot.connection for slot in self._busy], timeout=0.2)
        return [slot for slot in self._busy if slot.connection in ready]

    def _hear(self, slot: Slot) -> Generator[Progress, str | None, None]:
        try:
            message = slot.hear()
        except GONE:
            yield from self._lose(slot, f"its process ended with {slot.exit()}")
            return
        if isinstance(message, Done):
            del self._busy[slot]
        elif isinstance(message, EpochReport):
            stop = yield message
            slot.answer(stop)
        else:
            self._busy[slot].ended.add(message.trial)
            yield message

    def _lose(self, slot: Slot, why: str) -> Iterator[Progress]:
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

    def _end_if_stuck(self, slot: Slot) -> Iterator[Progress]:
        """End trials that take longer than they may. Of several in a process it is not known which one is stuck: they
        run again one by one."""
        group, timeout = self._busy[slot], self._timeout
        if timeout is None or time.monotonic() - group.begun < timeout * len(group.requests):
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

    def _close(self) -> None:
        for slot in self._slots:
            slot.empty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()


def places(*, slots: int, device: Literal["cpu", "cuda"], gpus: int) -> list[Place]:
    """Where the workers of a machine run: on a CPU each keeps to its share of the cores; on GPUs in turn, each seeing
    one alone."""
    known = hasattr(os, "sched_getaffinity")
    cores = sorted(os.sched_getaffinity(0)) if known else list(range(os.cpu_count() or 1))
    if device == "cuda":
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(gpus)))).split(",")
        threads = str(max(1, len(cores) // slots))
        return [
            Place("cuda", {"CUDA_VISIBLE_DEVICES": visible[i % len(visible)], "OMP_NUM_THREADS": threads}, None)
            for i in range(slots)
        ]
    shares = [cores[i % len(cores) :: slots] for i in range(slots)]
    return [Place("cpu", {"OMP_NUM_THREADS": str(len(share))}, frozenset(share)) for share in shares]
