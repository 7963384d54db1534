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

_COMPILE = "from fer_sweep.training.fused import compile_all; compile_all()"


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
            subprocess.run([sys.executable, "-c", _COMPILE], check=False, capture_output=True)


def _is_compiled(place: Path) -> bool:
    """Whether there is code of both entrances that is newer than the source."""
    source = Path(kernel.__file__)
    for name in ("train", "log_probabilities"):
        found = place.glob(f"{source.stem}.{name}-*.nbi")
        if all(index.stat().st_mtime < source.stat().st_mtime for index in found):
            return False
    return True
