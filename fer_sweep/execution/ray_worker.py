"""A worker on Ray: an actor that runs the trials it is given and says what comes out, one record at a call.

Everything it says travels by value, as bytes: an array that lay in Ray's object store would be gone with Ray.
"""

import io
import os
import pickle
import socket
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import ray

from fer_sweep import __version__
from fer_sweep.data import Samples
from fer_sweep.errors import StudyError
from fer_sweep.execution.inline import run_guarded
from fer_sweep.execution.ray_samples import on_this_node
from fer_sweep.execution.worker import Done, Order
from fer_sweep.training.records import Record
from fer_sweep.training.threads import compute_with
from fer_sweep.training.trials import Device, choose_device, gpu_count


@dataclass(frozen=True)
class Arrived:
    """A worker is there. node: Ray's name of its machine, host: the machine's own; fingerprint: of the samples as it
    has them, None if pictures are missing here; version: of fer-sweep."""

    node: str
    host: str
    version: str
    fingerprint: str | None


Said = tuple[bytes, bytes]
"""A pickled Record or Done, and what was printed since the last one."""


class RayWorker:
    """The actor. Its methods run one after another, in the order of the calls."""

    def __init__(self, device: Literal["cpu", "cuda"], cores: int) -> None:
        """cores: how many it keeps to on a CPU. Raises StudyError without the GPU that it is to use."""
        if device == "cuda" and not gpu_count():
            raise StudyError("Ray gives it a GPU, but PyTorch sees none: it has to be a build for CUDA")
        self._device: Device = choose_device(device)
        self._cores = cores
        self._all_cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self._samples: Samples | None = None
        self._records: Generator[Record, str | None, None] | None = None
        self._printed: io.FileIO | None = None
        self._rest = ExitStack()

    def receive(self, samples: Samples, coordinator: str, contents: list[bytes] | None = None) -> Arrived:
        """Take the samples. coordinator: the node on which files are known to be what they should; contents: of the
        pictures' files, where they are not on this node."""
        node = ray.get_runtime_context().get_node_id()
        self._samples = samples if node == coordinator else on_this_node(samples, contents)
        fingerprint = None if self._samples is None else self._samples.fingerprint
        return Arrived(node, socket.gethostname(), __version__, fingerprint)

    def begin(self, order: Order, seat: int) -> Said:
        """Start on an order and run to the first thing to say. seat: number of this worker among those of its node,
        by which it takes its cores."""
        assert self._samples is not None
        if self._device.type == "cpu" and self._all_cores:
            every = self._all_cores
            os.sched_setaffinity(0, {every[(seat * self._cores + i) % len(every)] for i in range(self._cores)})
            compute_with(self._cores)  # Ray says so too, but not where OMP_NUM_THREADS is set for the cluster
        folder = order.folder
        if not order.log.exists() or not os.access(folder, os.W_OK):  # the coordinator has made it: another file system
            folder = Path(self._rest.enter_context(tempfile.TemporaryDirectory(prefix="fer-sweep-")))
        self._printed = self._rest.enter_context(_own_output())
        self._records = run_guarded(order.requests, self._samples, order.split, device=self._device, folder=folder)
        return self.advance(None)

    def advance(self, stop: str | None) -> Said:
        """Answer the report that was said last, if it was one, and run to the next thing to say."""
        assert self._records is not None
        try:
            return self._say(self._records.send(stop))
        except StopIteration:
            return self.leave()

    def leave(self) -> Said:
        """Leave all trials that have not ended, but write their checkpoints."""
        if self._records is not None:
            self._records.close()
        said = self._say(Done())
        self._rest.close()
        self._records = self._printed = None
        return said

    def _say(self, message: Record | Done) -> Said:
        sys.stdout.flush()
        sys.stderr.flush()
        printed = b"" if self._printed is None else self._printed.read()
        return pickle.dumps(message), printed


def _own_output() -> io.FileIO:
    """Let standard output and error go to a new file, also those of C code; returns its reading end."""
    with tempfile.NamedTemporaryFile(prefix="fer-sweep-", suffix=".log") as file:
        sys.stdout.flush()
        sys.stderr.flush()
        appending = os.open(file.name, os.O_WRONLY | os.O_APPEND)
        os.dup2(appending, 1)
        os.dup2(appending, 2)
        os.close(appending)
        return io.FileIO(os.open(file.name, os.O_RDONLY))  # the file itself goes with its last reader
