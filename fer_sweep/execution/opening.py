"""Which executor a sweep file asks for."""

from contextlib import AbstractContextManager, nullcontext

from fer_sweep.data import Samples
from fer_sweep.execution.executor import Executor
from fer_sweep.execution.inline import Inline
from fer_sweep.execution.pool import Pool, places
from fer_sweep.spec.search import Resources
from fer_sweep.training.trials import choose_device, device_type, gpu_count


def open_executor(resources: Resources, samples: Samples) -> AbstractContextManager[Executor]:
    """The executor of `resources`. `auto` is this process, or a pool if there are several GPUs or the sweep
    file says something that only a pool can do.

    Raises StudyError if a worker of the pool cannot start.
    """
    device, slots = choose_device(resources.device), pool_slots(resources)
    if not slots:
        return nullcontext(Inline(samples, device))
    where = places(slots=slots, device=device_type(device), gpus=gpu_count())
    return Pool(samples, where, trial_timeout=resources.trial_timeout)


def pool_slots(resources: Resources) -> int:
    """How many processes trials run in; 0: in this one."""
    gpus = gpu_count() if choose_device(resources.device).type == "cuda" else 0
    wanted = resources.slots != "auto" or resources.trial_timeout is not None or gpus > 1
    if resources.executor == "inline" or (resources.executor == "auto" and not wanted):
        return 0
    return max(1, gpus) if resources.slots == "auto" else resources.slots
