"""Which parameters matter: importance over the finished trials of a search."""

from collections.abc import Iterable
from typing import Literal

import optuna
from optuna.trial import FrozenTrial, TrialState


def importance(trials: Iterable[FrozenTrial], goal: Literal["maximize", "minimize"]) -> dict[str, float]:
    """Share of each parameter in what separates good trials from the rest (PED-ANOVA), largest first. Empty with
    fewer than 10 finished trials or nothing to tell apart."""
    finished = [t for t in trials if t.state is TrialState.COMPLETE and t.params]
    if len(finished) < 10 or len({t.value for t in finished}) < 2:
        return {}
    copy = optuna.create_study(direction=goal)  # without a base that lies outside the space
    copy.add_trials(finished)
    return dict(optuna.importance.get_param_importances(copy))
