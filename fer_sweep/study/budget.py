"""Time budgets that hold over restarts: the seconds spent are on disk about once a second."""

import json
from pathlib import Path

from fer_sweep.spec.search import Budget as BudgetSpec
from fer_sweep.study.journal import write_atomically


class Budget:
    """Seconds a study has trained for, this run and the ones before. gpus: GPUs in use while it trains."""

    def __init__(self, spec: BudgetSpec, path: Path, *, gpus: int) -> None:
        self._spec, self._path, self._gpus = spec, path, gpus
        kept = json.loads(path.read_text()) if path.exists() else {}
        self._seconds: float = kept.get("seconds", 0.0)
        self._gpu_seconds: float = kept.get("gpu_seconds", 0.0)
        self._last = 0.0
        self._unsaved = 0.0

    def begin(self, now: float) -> None:
        """Training begins (monotonic seconds); what passed since the last tick was not training."""
        self._last = now

    def tick(self, now: float) -> None:
        """Training went on until `now`."""
        passed = now - self._last
        self._last = now
        self._seconds += passed
        self._gpu_seconds += passed * self._gpus
        self._unsaved += passed
        if self._unsaved >= 1.0:
            self.save()

    def save(self) -> None:
        """Put the seconds spent on disk."""
        write_atomically(self._path, json.dumps({"seconds": self._seconds, "gpu_seconds": self._gpu_seconds}).encode())
        self._unsaved = 0.0

    def exceeded(self) -> str | None:
        """Which cap has been reached, or None."""
        if self._spec.max_hours is not None and self._seconds >= 3600 * self._spec.max_hours:
            return f"budget.max_hours: {self._spec.max_hours:g}"
        if self._spec.max_gpu_hours is not None and self._gpu_seconds >= 3600 * self._spec.max_gpu_hours:
            return f"budget.max_gpu_hours: {self._spec.max_gpu_hours:g}"
        return None
