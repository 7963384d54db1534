"""Which executor a sweep file asks for."""

from contextlib import AbstractContextManager, nullcontext

from fer_sweep.data import Samples
from fer_sweep.errors import StudyError
from fer_sweep.execution.executor import Executor
from fer_sweep.execution.inline import Inline
from fer_sweep.execution.pool import Pool, places
from fer_sweep.spec.search import Resources
from fer_sweep.training.trials import choose_device, device_type, gpu_count


def open_executor(resources: Resources, samples: Samples) -> AbstractContextManager[Executor]:
    """The executor of `resources`. `auto` is this process, or a pool if there are several GPUs or the sweep
    file says something that only a pool can do; so for Ray.

    Raises StudyError if a worker cannot start, or if there is no Ray.
    """
    if resources.on_ray:
        require_executor(resources)
        from fer_sweep.execution.ray_pool import RayPool

        return RayPool(samples, resources)
    device, slots = choose_device(resources.device), pool_slots(resources)
    if not slots:
        return nullcontext(Inline(samples, device))
    where = places(slots=slots, device=device_type(device), gpus=gpu_count())
    return Pool(samples, where, trial_timeout=resources.trial_timeout)


def require_executor(resources: Resources) -> None:
    """Raises StudyError at once if trials are to run on Ray, and it is not installed or its cluster out of reach."""
    if not resources.on_ray:
        return
    try:
        from fer_sweep.execution.ray_cluster import address_of, require_reachable
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise StudyError(
            "resources.executor: ray, but Ray is not installed here. Install it: pip install 'fer-sweep[ray]'"
        ) from error
    require_reachable(address_of(resources.ray_address))


def pool_slots(resources: Resources) -> int:
    """How many processes trials run in; 0: in this one. What a Ray cluster has room for is not known here: 1."""
    if resources.on_ray:
        return 1 if resources.slots == "auto" else resources.slots
    gpus = gpu_count() if choose_device(resources.device).type == "cuda" else 0
    wanted = resources.slots != "auto" or resources.trial_timeout is not None or gpus > 1
    if resources.executor == "inline" or (resources.executor == "auto" and not wanted):
        return 0
    return max(1, gpus) if resources.slots == "auto" else resources.slots
