"""The gate: whether a configuration may take the champion's place.

Both are trained anew on the same fresh splits, which neither the search nor the confirmation saw, with the same initial
weights wherever their networks have the same shape. The splits are a function of the protocol and the challenger, so
asking again changes nothing, and the next challenger meets others: nobody is selected on the gate's own splits.

What is kept on disk is not trained again: an interrupted gate goes on, and another champion costs only itself.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from fer_sweep.data import Samples, Split, make_split
from fer_sweep.errors import SpecError
from fer_sweep.execution.executor import Executor
from fer_sweep.spec import TrialConfig, on_data_of
from fer_sweep.spec.search import Metric
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.journal import load_result, save_result
from fer_sweep.study.keys import config_key
from fer_sweep.study.verdict import GateOptions, Verdict, judge
from fer_sweep.training.metrics import Estimate, Scores, scores_on_test
from fer_sweep.training.records import EpochReport, TrialFailure, TrialResult
from fer_sweep.training.seeds import derive_seed
from fer_sweep.training.trial_run import TrialRequest

Role = Literal["champion", "challenger"]


@dataclass(frozen=True)
class GateStarted:
    """A configuration begins to train on the gate's splits."""

    role: Role
    last_epoch: int


@dataclass(frozen=True)
class GateReported:
    """It has reached an epoch."""

    role: Role
    report: EpochReport


@dataclass(frozen=True)
class GateMeasured:
    """It has been measured. metric: None if it failed; reused: whether the result was on disk already."""

    role: Role
    metric: Estimate | None
    reused: bool


GateEvent = GateStarted | GateReported | GateMeasured


def gate_split(challenger: TrialConfig, samples: Samples, *, repeats: int) -> Split:
    """The gate's splits: the challenger's protocol with a seed of its own."""
    return make_split(samples, challenger.protocol, seed=_seed(challenger, "splits") % 2**32, repeats=repeats)


def examine(
    challenger: TrialConfig,
    champion: TrialConfig | None,
    samples: Samples,
    *,
    metric: Metric,
    options: GateOptions,
    files: StudyFiles,
    executor: Executor,
) -> Generator[GateEvent, None, Verdict]:
    """Measure both configurations on the challenger's data and protocol, and decide.

    champion: None if there is none yet. files: of the challenger's study, where results are kept.
    """
    split = gate_split(challenger, samples, repeats=options.repeats)
    bench = _Bench(samples, split, _seed(challenger, "weights"), metric, files, executor)
    measured = yield from bench.measure("challenger", challenger)
    against: Scores | str | None = None
    if champion is not None:
        try:
            moved = on_data_of(champion, challenger)
        except SpecError as error:
            against = f"its configuration cannot be trained on the challenger's data: {error}"
        else:
            against = yield from bench.measure("champion", moved)
    return judge(measured, against, samples, split, metric=metric, options=options)


@dataclass(frozen=True, eq=False)
class _Bench:
    """Where both configurations are measured."""

    samples: Samples
    split: Split
    seed: int
    metric: Metric
    files: StudyFiles
    executor: Executor

    def measure(self, role: Role, config: TrialConfig) -> Generator[GateEvent, None, Scores | str]:
        """How a configuration does, or in words why that cannot be said."""
        key = config_key(config, self.split.hash)
        kept = load_result(self.files.gate(key), key=key)
        result = kept or (yield from self._train(role, config))
        if isinstance(result, TrialFailure):
            yield GateMeasured(role, None, reused=False)
            return result.message
        if kept is None:
            save_result(self.files.gate(key), result, key=key)
        scores = scores_on_test(result, self.samples.y, self.samples.classes)
        yield GateMeasured(role, scores.estimate(self.metric.name), reused=kept is not None)
        return scores

    def _train(self, role: Role, config: TrialConfig) -> Generator[GateEvent, None, TrialResult | TrialFailure]:
        yield GateStarted(role, config.train.last_epoch)
        request = TrialRequest(0 if role == "champion" else 1, config, self.seed)
        with closing(self.executor.run([request], self.split, folder=self.files.stage("gate"))) as records:
            for record in records:
                if isinstance(record, EpochReport):
                    yield GateReported(role, record)
                elif isinstance(record, TrialFailure | TrialResult):
                    return record
        raise AssertionError("an executor ends every trial")


def _seed(challenger: TrialConfig, what: str) -> int:
    return derive_seed(challenger.protocol.seed, "gate", config_key(challenger, ""), what)
