"""A slot on Ray: a place for one actor at a time, seen from the coordinator. Ray chooses the node."""

import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError

from fer_sweep import __version__
from fer_sweep.errors import StudyError
from fer_sweep.execution.dispatch import Gone
from fer_sweep.execution.ray_samples import SentSamples
from fer_sweep.execution.ray_worker import Arrived, RayWorker
from fer_sweep.execution.worker import Done, Order
from fer_sweep.training.records import EpochReport, Record

MOST_FALSE_STARTS = 3
"""Workers in a row that a slot may lose while they start."""


@dataclass
class Berth:
    """What all slots share. cpus, gpus: what Ray sets aside for each; coordinator: the node it runs on."""

    samples: SentSamples
    device: Literal["cpu", "cuda"]
    cpus: float
    gpus: float
    coordinator: str
    seats: dict[str, set[int]] = field(default_factory=dict)
    """Node -> the seats that are taken there."""

    def sit_down(self, node: str) -> int:
        """The lowest free seat of a node, taken."""
        taken = self.seats.setdefault(node, set())
        seat = next(number for number in range(len(taken) + 1) if number not in taken)
        taken.add(seat)
        return seat


class RaySlot:
    """At most one actor at a time, started when it is first needed. It may have to wait until a node has room."""

    def __init__(self, berth: Berth) -> None:
        self._berth = berth
        self._actor: Any = None  # Ray makes its methods
        self._arriving: ray.ObjectRef[Arrived] | None = None
        self._arrived: Arrived | None = None
        self._seat = 0
        self._false_starts = 0
        self._saying: Any = None
        self._leaving: Any = None
        self._log: Path | None = None

    @property
    def ready(self) -> bool:
        """Whether its actor is there and has the samples. Raises StudyError if it cannot be of use."""
        if self._actor is None:
            berth = self._berth
            made = ray.remote(RayWorker).options(
                num_cpus=berth.cpus, num_gpus=berth.gpus, max_restarts=0, scheduling_strategy="SPREAD"
            )
            self._actor = made.remote(berth.device, max(1, int(berth.cpus)))
            self._arriving = self._actor.receive.remote(berth.samples.reference, berth.coordinator)
        if self._arriving is not None and ray.wait([self._arriving], timeout=0)[0]:
            self._settle(self._arriving)
        return self._arrived is not None

    def _settle(self, arriving: "ray.ObjectRef[Arrived]") -> None:
        self._arriving = None
        try:
            arrived: Arrived = ray.get(arriving)
        except RayError as error:
            self._start_anew(error)
            return
        if arrived.version != __version__:
            raise StudyError(
                f"node {arrived.host} has fer-sweep {arrived.version}, but this is {__version__}. All nodes of the Ray "
                "cluster need the same: install it there, and start Ray there anew."
            )
        if arrived.fingerprint is None:  # pictures whose files are not there
            berth = self._berth
            self._arriving = self._actor.receive.remote(
                berth.samples.reference, berth.coordinator, berth.samples.contents
            )
            return
        if arrived.fingerprint != self._berth.samples.fingerprint:
            raise StudyError(
                f"node {arrived.host} has other samples ({arrived.fingerprint} instead of "
                f"{self._berth.samples.fingerprint})"
            )
        self._seat = self._berth.sit_down(arrived.node)
        self._arrived, self._false_starts = arrived, 0

    def _start_anew(self, error: RayError) -> None:
        """An actor came to its end before it had begun: an error of its own it would have again."""
        self._false_starts += 1
        broken = isinstance(error, RayTaskError) or (isinstance(error, RayActorError) and error.actor_init_failed)
        self.empty()
        if broken or self._false_starts >= MOST_FALSE_STARTS:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            said = lines[-1] if broken else how_it_ended(error)
            raise StudyError(
                f"a worker did not start on the Ray cluster: {said}. Every node needs fer-sweep {__version__} in the "
                "Python environment that Ray runs in (pip install 'fer-sweep[ray]'), and memory for the samples."
            ) from error

    @property
    def host(self) -> str | None:
        """Name of the machine that its actor runs on; None while there is none."""
        return None if self._arrived is None else self._arrived.host

    def order(self, order: Order) -> None:
        """Give the actor something to do; it is ready."""
        order = replace(order, folder=order.folder.absolute())
        self._log = order.log
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.open("ab").close()  # by which the worker knows whether it sees this folder
        self._saying = self._actor.begin.remote(order, self._seat)

    def hear(self) -> Record | Done:
        """What it says next. Raises Gone if it has died."""
        try:
            message = self._take(ray.get(self._saying))
        except RayError as error:
            raise Gone(f"its worker on {self.host} is gone: {how_it_ended(error)}") from error
        if not isinstance(message, EpochReport | Done):
            self._saying = self._actor.advance.remote(None)
        return message

    def _take(self, said: tuple[bytes, bytes]) -> Record | Done:
        pickled, printed = said
        if printed:
            assert self._log is not None
            with self._log.open("ab") as log:
                log.write(printed)
        message: Record | Done = pickle.loads(pickled)
        return message

    def answer(self, stop: str | None) -> None:
        """The answer to a report."""
        self._saying = self._actor.advance.remote(stop)

    def cancel(self) -> None:
        """Tell it to leave its trials, once it has said what it is about to say."""
        self._leaving = self._actor.leave.remote()

    def has_left(self, deadline: float) -> bool:
        """Whether it has left its trials before the deadline (monotonic seconds); if not, it is killed."""
        try:
            self._take(ray.get(self._leaving, timeout=max(0.0, deadline - time.monotonic())))
        except RayError:  # it has died, or takes too long
            self.empty()
            return False
        return True

    def empty(self) -> None:
        """Make room for another actor; one that is there ends at once."""
        if self._arrived is not None:
            self._berth.seats[self._arrived.node].discard(self._seat)
        if self._actor is not None:
            ray.kill(self._actor)
        self._actor = self._arriving = self._arrived = self._saying = self._leaving = None

    @staticmethod
    def heard(slots: "Sequence[RaySlot]", seconds: float) -> "list[RaySlot]":
        """Those that have something to say, after waiting for at most so many seconds."""
        if not slots:
            time.sleep(seconds)
            return []
        saying = [slot._saying for slot in slots]
        ray.wait(saying, timeout=seconds)
        ready, _ = ray.wait(saying, num_returns=len(saying), timeout=0)
        return [slot for slot in slots if slot._saying in ready]


def how_it_ended(error: RayError) -> str:
    """How a worker came to its end, in a few words."""
    said = str(error)
    if isinstance(error, RayActorError) and error.preempted:
        return "its node was preempted"
    if isinstance(error, OutOfMemoryError) or "OUT_OF_MEMORY" in said or "running low on memory" in said:
        return "Ray ended it because its node was short of memory"
    if "node has died" in said or "node was terminated" in said:
        return "its node is gone"
    if isinstance(error, RayTaskError):
        return said.strip().splitlines()[-1]
    return "its process ended (was there too little memory?)"
