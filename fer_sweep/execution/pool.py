"""Trials in several processes of this machine, each with its own cores, or with its own GPU or a share of one.

A worker that dies takes no trial with it: its trials run again, those on pictures from their checkpoints.
"""

import os
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import Literal

from fer_sweep.cores import own_cores
from fer_sweep.data import Samples
from fer_sweep.execution.dispatch import Dispatch, Dispatching
from fer_sweep.execution.slot import Slot
from fer_sweep.execution.worker import Place


class Pool(Dispatching[Slot]):
    """The executor of one machine.

    Raises StudyError if a worker cannot start.
    """

    def __init__(self, samples: Samples, places: Sequence[Place], *, trial_timeout: float | None = None) -> None:
        """trial_timeout: seconds that one trial may take."""
        self._dispatch = Dispatch([Slot(place, samples) for place in places], _heard, trial_timeout=trial_timeout)
        try:
            for slot in self._dispatch.slots:  # all at the same time
                slot.start()
            for slot in self._dispatch.slots:
                slot.greet()
        except BaseException:
            self.close()
            raise

    @property
    def device_type(self) -> Literal["cpu", "cuda"]:
        """Where they train."""
        return self._dispatch.slots[0].place.device

    @property
    def gpus(self) -> int:
        """Number of GPUs that they share."""
        places = [slot.place for slot in self._dispatch.slots if slot.place.device == "cuda"]
        return len({place.environment["CUDA_VISIBLE_DEVICES"] for place in places})


def _heard(slots: Sequence[Slot], seconds: float) -> list[Slot]:
    """Those that have something to say."""
    ready = wait([slot.connection for slot in slots], timeout=seconds)
    return [slot for slot in slots if slot.connection in ready]


def places(*, slots: int, device: Literal["cpu", "cuda"], gpus: int) -> list[Place]:
    """Where the workers of a machine run: on a CPU each keeps to its share of the cores; on GPUs in turn, each seeing
    one alone."""
    cores = own_cores()
    if device == "cuda":
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(gpus)))).split(",")
        threads = max(1, len(cores) // slots)
        return [Place("cuda", {"CUDA_VISIBLE_DEVICES": visible[i % len(visible)]}, threads, None) for i in range(slots)]
    shares = [cores[i % len(cores) :: slots] for i in range(slots)]
    return [Place("cpu", {}, len(share), frozenset(share)) for share in shares]
