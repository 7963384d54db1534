"""What sampler and pruner see of a study: all of a small one, of a large one its best and its latest trials.

Both look at every trial they are shown for every proposal and every report, so ten thousand of them would take ten
times as long as a thousand. TPE learns what is good from at most 25 trials, the best, and gives the others the less
weight the older they are. What is shown is a function of the trials alone, so a resumed study is shown the same.
"""

import copy
import heapq
from collections.abc import Container

from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

LATEST, BEST = 275, 25
"""Trials that are shown of a large study: its latest, and the best complete ones of those before."""


class Sight(InMemoryStorage):
    """A storage of one study that shows not more of it than is worth looking at."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0
        """How many trials are no longer among the latest."""
        self._best: list[FrozenTrial] = []
        """The best of these."""

    def every(self, study_id: int) -> list[FrozenTrial]:
        """All trials, by number."""
        return super().get_all_trials(study_id, deepcopy=False)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Those that are shown, by number."""
        if states == (TrialState.WAITING,):
            return super().get_all_trials(study_id, deepcopy, states)  # looks at new ones alone
        trials = self.every(study_id)
        self._pass(trials, self.get_study_directions(study_id)[0])
        shown = [*sorted(self._best, key=lambda trial: trial.number), *trials[self._passed :]]
        if states is not None:
            shown = [trial for trial in shown if trial.state in states]
        return copy.deepcopy(shown) if deepcopy else shown

    def _pass(self, trials: list[FrozenTrial], direction: StudyDirection) -> None:
        """Let trials go that are no longer among the latest, up to the first that has not ended."""
        sign = -1.0 if direction is StudyDirection.MAXIMIZE else 1.0
        while self._passed < len(trials) - LATEST and trials[self._passed].state.is_finished():
            trial = trials[self._passed]
            self._passed += 1
            if trial.state is TrialState.COMPLETE:
                known = [*self._best, trial]
                self._best = heapq.nsmallest(BEST, known, key=lambda t: (sign * (t.value or 0.0), t.number))
