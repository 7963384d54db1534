"""A trial on its way: when it reports, how it does at an epoch, and what it leaves behind."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fer_sweep.spec.trial import TrialConfig
from fer_sweep.training.cohort import Cohort
from fer_sweep.training.fold_data import FoldData
from fer_sweep.training.member import Weights
from fer_sweep.training.metrics import mean_values
from fer_sweep.training.network_run import Network, NetworkRun
from fer_sweep.training.records import EpochReport, TrialFailure, TrialResult
from fer_sweep.training.seeds import derive_seed

OBSERVATIONS = 200
"""A trial is looked at (accuracies, loss histogram, report) at most about this many times, at even distances."""


@dataclass(frozen=True)
class TrialRequest:
    """A trial to run. `seed` gives every network its initial weights through derive_seed(seed, repeat, fold);
    `report_epochs` are reported besides the regular ones, so that trials of different length can be compared."""

    number: int
    config: TrialConfig
    seed: int
    report_epochs: tuple[int, ...] = ()


class TrialRun:
    """A trial on its way: its networks, wherever they train, and what was reported so far."""

    def __init__(self, request: TrialRequest, folds: Sequence[FoldData], *, keep_weights: bool = False) -> None:
        self.request = request
        last = request.config.train.last_epoch
        regular = range(0, last, math.ceil(last / OBSERVATIONS))
        self.observed_epochs = frozenset((*regular, *(e for e in request.report_epochs if e < last), last))
        self.networks = [
            Network(
                request.number,
                data,
                request.config,
                derive_seed(request.seed, data.repeat, data.fold),
                keep_weights=keep_weights,
            )
            for data in folds
        ]
        self.cohorts: list[Cohort] = []
        self._runs: list[NetworkRun] = []
        self.reports: list[EpochReport] = []
        self._stopped: str | None = None

    def join(self, cohorts: Sequence[Cohort]) -> None:
        """Find this trial's networks among the cohorts."""
        for cohort in cohorts:
            mine = [run for run in cohort.runs if run.network.trial == self.request.number]
            if mine:
                self.cohorts.append(cohort)
                self._runs += mine

    @property
    def ended(self) -> bool:
        """Whether all its networks have."""
        return all(run.ended is not None for run in self._runs)

    def remember(self, report: EpochReport) -> EpochReport:
        """Take over, and return, a report of an interrupted run."""
        self.reports.append(report)
        return report

    def report(self, epoch: int) -> EpochReport | TrialFailure:
        """How the trial does at an epoch; a failure, which ends it, once a loss is no longer a finite number: of a
        sample in use, or of any that its removal rule looks at."""
        seen = [run.observation for run in self._runs if run.observation is not None]
        validation = [o.validation for o in seen if o.validation is not None]
        report = EpochReport(
            trial=self.request.number,
            epoch=epoch,
            last_epoch=self.request.config.train.last_epoch,
            train_loss=float(np.mean([o.train_loss for o in seen])),
            loss_variance=float(np.mean([o.loss_variance for o in seen])),
            active_samples=float(np.mean([o.active for o in seen])),
            train_accuracy=float(np.mean([o.train_accuracy for o in seen])),
            test_loss=float(np.mean([o.test_loss for o in seen])),
            test=mean_values([o.test for o in seen]),
            validation=mean_values(validation) if validation else None,
        )
        if not math.isfinite(report.train_loss) or any(run.ended == "diverged" for run in self._runs):
            self.end("diverged")
            return self._diverged(epoch)
        self.reports.append(report)
        return report

    def end(self, reason: str) -> None:
        """Stop all its networks here."""
        self._stopped = reason
        for cohort in self.cohorts:
            cohort.end(self.request.number)

    @property
    def weights(self) -> list[Weights]:
        """Of its networks that have ended and were told to keep them, by repeat and fold."""
        ordered = sorted(self._runs, key=lambda run: (run.network.data.repeat, run.network.data.fold))
        return [run.weights for run in ordered if run.weights is not None]

    def _diverged(self, epoch: int) -> TrialFailure:
        return TrialFailure(
            trial=self.request.number,
            kind="diverged",
            message=f"the training loss is no longer a finite number at epoch {epoch}: the network diverged. "
            f"A smaller train.learning_rate (now {self.request.config.train.learning_rate:g}) or train.normalize: true "
            "usually helps.",
        )

    def result(self, *, seconds: float, device: torch.device) -> TrialResult:
        """What it leaves behind, once it has ended."""
        networks = sorted((r.result for r in self._runs if r.result is not None), key=lambda n: (n.repeat, n.fold))
        return TrialResult(
            trial=self.request.number,
            networks=tuple(networks),
            reports=tuple(self.reports),
            seconds=seconds,
            device=device_name(device),
            stopped=self._stopped,
            explanation=next((run.explanation for run in self._runs if run.explanation is not None), None),
        )


def device_name(device: torch.device) -> str:
    """The device's name in results."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
