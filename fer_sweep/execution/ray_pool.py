"""Trials on a Ray cluster: each slot is an actor, on whatever node has room for it.

A worker that dies, or whose node does, takes no trial with it; so it is in the pool, whose queue this is.
"""

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Literal

import ray

from fer_sweep.data import Samples
from fer_sweep.errors import StudyError
from fer_sweep.execution.dispatch import Dispatch, Dispatching
from fer_sweep.execution.ray_cluster import address_of, connected, device_of, nodes, room
from fer_sweep.execution.ray_samples import SentSamples, held_bytes
from fer_sweep.execution.ray_slot import Berth, RaySlot
from fer_sweep.spec.search import Resources

START_SECONDS = 300.0
"""Time for the first worker; a cluster that grows on demand needs minutes."""


class RayPool(Dispatching[RaySlot]):
    """The executor of a Ray cluster.

    Raises StudyError if the cluster cannot be reached, has no room, or no worker starts.
    """

    def __init__(self, samples: Samples, resources: Resources) -> None:
        self._rest = ExitStack()
        self._rest.enter_context(connected(address_of(resources.ray_address), held=held_bytes(samples)))
        try:
            there = nodes()
            self._device = device_of(resources, there)
            default = 1.0 if self._device == "cuda" else 0.0
            self._gpus = default if resources.gpus_per_trial is None else resources.gpus_per_trial
            cpus = resources.cpus_per_trial or 1.0
            count = resources.slots
            if count == "auto":
                count = room(there, cpus=cpus, gpus=self._gpus)
            here = ray.get_runtime_context().get_node_id()
            berth = Berth(SentSamples(samples), self._device, cpus, self._gpus, here)
            slots = [RaySlot(berth) for _ in range(count)]
            self._dispatch = Dispatch(slots, RaySlot.heard, trial_timeout=resources.trial_timeout)
            self._rest.callback(self._dispatch.close)
            _await_first(slots)
        except BaseException:
            self.close()
            raise

    @property
    def device_type(self) -> Literal["cpu", "cuda"]:
        """Where they train."""
        return self._device

    @property
    def gpus(self) -> int:
        """Number of GPUs that they need together."""
        return math.ceil(self.slots * self._gpus)

    def close(self) -> None:
        """End all workers, and let go of the cluster."""
        self._rest.close()


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
