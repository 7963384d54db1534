"""The fused kernel is compiled once on a machine, by a process of its own.

Code that a process has just compiled may round the last bit differently from the same code when it is loaded (measured:
1e-7 of the losses), so the first run on a machine would not be repeated exactly by the second.
"""

import subprocess
import sys
from functools import cache
from pathlib import Path

from filelock import FileLock

from fer_sweep.training import fused_kernel as kernel
from fer_sweep.training import fused_tiles

_COMPILE = "from fer_sweep.training.fused import compile_all; compile_all()"
_ENTRANCES = ("train", "log_probabilities", "judge")


@cache
def ensure_compiled() -> None:
    """Compile the kernel unless that was done before; takes about 8 s. Where compiled code cannot be kept, or the
    process cannot be started, each process compiles for itself."""
    place = kernel.train.stats.cache_path  # type: ignore[attr-defined]
    if place is None or _is_compiled(Path(place)):
        return
    Path(place).mkdir(parents=True, exist_ok=True)
    with FileLock(Path(place) / "fused_kernel.lock"):
        if not _is_compiled(Path(place)):
            for stale in _indices(Path(place), "*"):  # numba looks at the age of one source only
                stale.unlink(missing_ok=True)
            subprocess.run([sys.executable, "-c", _COMPILE], check=False, capture_output=True)


def _is_compiled(place: Path) -> bool:
    """Whether there is code of all entrances that is newer than the sources."""
    changed = max(Path(str(source.__file__)).stat().st_mtime for source in (kernel, fused_tiles))
    newest = (max((i.stat().st_mtime for i in _indices(place, name)), default=0.0) for name in _ENTRANCES)
    return all(compiled > changed for compiled in newest)


def _indices(place: Path, entrance: str) -> list[Path]:
    return list(place.glob(f"{Path(kernel.__file__).stem}.{entrance}-*.nbi"))
