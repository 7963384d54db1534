"""What a removal rule sees of a network, what it remembers, and what it decides."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NOTHING: IntArray = np.empty(0, dtype=np.int64)


def _none() -> IntArray:
    return NOTHING


class Phase(StrEnum):
    """Where a rule stands on one network."""

    WAITING = "waiting"
    ACTIVE = "active"
    HALTED = "halted"


@dataclass(frozen=True)
class RemovalState:
    """What a rule remembers between checks of one network. `first_variance` and `peak_variance` are over the checks
    so far; `started` is the epoch of the first round that was allowed to remove; `memory`: a number per sample, if the
    rule needs one (empty before its first check)."""

    phase: Phase = Phase.WAITING
    rounds: int = 0
    first_variance: float | None = None
    peak_variance: float = 0.0
    started: int | None = None
    memory: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Seen:
    """One network at a check, and its n training samples. errors: (n,); active: (n,) those in use; labels: (n,)
    classes; probabilities: (n, C), for rules that need them; planted: (n,) known wrong labels, or None when unknown."""

    epoch: int
    errors: FloatArray
    active: BoolArray
    labels: IntArray
    probabilities: npt.NDArray[np.float32] | None = None
    planted: BoolArray | None = None


@dataclass(frozen=True, eq=False)
class Decision:
    """What to do after a check: the next state, the positions to remove and those to take back (empty: none), and what
    the samples weigh from now on, (n,) (None: all alike)."""

    state: RemovalState
    removed: IntArray = field(default_factory=_none)
    threshold: float = float("nan")
    readmitted: IntArray = field(default_factory=_none)
    weights: FloatArray | None = None

    @property
    def halt(self) -> bool:
        """Whether training of this network ends here."""
        return self.state.phase is Phase.HALTED


def selection(state: RemovalState, seen: Seen, keep: BoolArray, *, threshold: float = float("nan")) -> Decision:
    """The decision after which exactly the samples `keep` (n,) are in use."""
    return Decision(
        state,
        removed=np.flatnonzero(seen.active & ~keep),
        threshold=threshold,
        readmitted=np.flatnonzero(keep & ~seen.active),
    )
