"""Which executor a sweep file asks for."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

from fer_sweep.data import Samples
from fer_sweep.execution.executor import Executor
from fer_sweep.execution.inline import Inline
from fer_sweep.execution.pool import Pool, places
from fer_sweep.spec.search import Resources
from fer_sweep.training.trials import choose_device, gpu_count


def open_executor(resources: Resources, samples: Samples) -> AbstractContextManager[Executor]:
    """The executor of `resources`. `auto` is this process, or a pool if there are several GPUs or the sweep
    file says something that only a pool can do.

    Raises StudyError if a worker of the pool cannot start.
    """
    device = choose_device(resources.device)
    gpus = gpu_count() if device.type == "cuda" else 0
    wanted = resources.slots != "auto" or resources.trial_timeout is not None or gpus > 1
    if resources.executor == "inline" or (resources.executor == "auto" and not wanted):
        return nullcontext(Inline(samples, device))
    slots = max(1, gpus) if resources.slots == "auto" else resources.slots
    kind: Literal["cpu", "cuda"] = "cuda" if device.type == "cuda" else "cpu"
    return Pool(samples, places(slots=slots, device=kind, gpus=gpus), trial_timeout=resources.trial_timeout)
