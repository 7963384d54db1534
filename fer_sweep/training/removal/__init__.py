"""Outlier removal as pure functions: errors and the active set in, a decision out. No rule knows about networks."""

from fer_sweep.training.removal.decision import Decision, Phase, RemovalState, Seen
from fer_sweep.training.removal.rules import check, imitate, next_check

__all__ = ["Decision", "Phase", "RemovalState", "Seen", "check", "imitate", "next_check"]
