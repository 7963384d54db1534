"""Trials on a Ray cluster: each slot is an actor, on whatever node has room for it.

A worker that dies, or whose node does, takes no trial with it; so it is in the pool, whose queue this is.
"""

import math
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import ray

from fer_sweep.data import Samples, Split
from fer_sweep.errors import StudyError
from fer_sweep.execution.dispatch import Dispatch
from fer_sweep.execution.executor import Progress
from fer_sweep.execution.ray_cluster import Node, address_of, connected, nodes
from fer_sweep.execution.ray_samples import SentSamples, held_bytes
from fer_sweep.execution.ray_slot import Berth, RaySlot
from fer_sweep.spec.search import Resources
from fer_sweep.training.trial_run import TrialRequest

START_SECONDS = 300.0
"""Time for the first worker; a cluster that grows on demand needs minutes."""


class RayPool:
    """The executor of a Ray cluster. As a context it leaves nothing behind on it.

    Raises StudyError if the cluster cannot be reached, has no room, or no worker starts.
    """

    def __init__(self, samples: Samples, resources: Resources) -> None:
        self._rest = ExitStack()
        self._rest.enter_context(connected(address_of(resources.ray_address), held=held_bytes(samples)))
        try:
            there = nodes()
            self._device = _device(resources, there)
            default = 1.0 if self._device == "cuda" else 0.0
            self._gpus = default if resources.gpus_per_trial is None else resources.gpus_per_trial
            cpus = resources.cpus_per_trial or 1.0
            count = resources.slots
            if count == "auto":
                count = _room(there, cpus=cpus, gpus=self._gpus)
            here = ray.get_runtime_context().get_node_id()
            berth = Berth(SentSamples(samples), self._device, cpus, self._gpus, here)
            slots = [RaySlot(berth) for _ in range(count)]
            self._dispatch = Dispatch(slots, RaySlot.heard, trial_timeout=resources.trial_timeout)
            self._rest.callback(self._dispatch.close)
            _await_first(slots)
        except BaseException:
            self._rest.close()
            raise

    @property
    def slots(self) -> int:
        """Number of actors, where there is room for all."""
        return len(self._dispatch.slots)

    @property
    def device_type(self) -> Literal["cpu", "cuda"]:
        """Where they train."""
        return self._device

    @property
    def gpus(self) -> int:
        """Number of GPUs that they need together."""
        return math.ceil(self.slots * self._gpus)

    def run(
        self, requests: Sequence[TrialRequest], split: Split, *, folder: Path
    ) -> Generator[Progress, str | None, None]:
        """Run all requests, as many at a time as there are actors. Raises StudyError if there is none for long."""
        return self._dispatch.run(requests, split, folder=folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rest.close()


def _device(resources: Resources, there: Sequence[Node]) -> Literal["cpu", "cuda"]:
    gpus = sum(node.gpus for node in there)
    if resources.device == "cuda" and not gpus:
        raise StudyError(
            "resources.device: cuda, but no node of the Ray cluster has a GPU that Ray knows. Start nodes with "
            "`ray start --num-gpus=N`, or use resources.device: cpu."
        )
    if resources.device == "cpu" or not gpus or resources.gpus_per_trial == 0:
        return "cpu" if not resources.gpus_per_trial else "cuda"
    return "cuda"


def _room(there: Sequence[Node], *, cpus: float, gpus: float) -> int:
    """How many slots the cluster has room for."""
    room = sum(node.room(cpus=cpus, gpus=gpus) for node in there)
    if not room:
        has = ", ".join(f"{node.cpus:g} CPUs and {node.gpus:g} GPUs" for node in there)
        raise StudyError(
            f"no node of the Ray cluster has room for a trial, which needs {cpus:g} CPUs and {gpus:g} GPUs "
            f"(resources.cpus_per_trial, gpus_per_trial). There is: {has}. If the cluster grows on demand, say how "
            "many trials at a time: --slots N."
        )
    return room


def _await_first(slots: Sequence[RaySlot]) -> None:
    """Start all and wait for one; the others take part when they are there."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        ready = [slot.ready for slot in slots]  # asked of all, because being asked is what starts them
        if any(ready):
            return
        if time.monotonic() > deadline:
            raise StudyError(
                f"in {START_SECONDS:.0f} seconds the Ray cluster has had no room for a single trial: `ray status` says "
                "what takes it. Smaller resources.cpus_per_trial or gpus_per_trial need less."
            )
        time.sleep(0.05)
