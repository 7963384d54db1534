"""A cohort: networks that share one Population, stopping where a removal rule must look and leaving as they end."""

from collections.abc import Container, Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch

from fer_sweep.models.mlp import initial_weights
from fer_sweep.spec.trial import MlpModel, TrainConfig
from fer_sweep.training.fused import FusedPopulation
from fer_sweep.training.metrics import confusion_matrix, metric_values
from fer_sweep.training.network_run import Ending, Network, NetworkRun, with_shadow
from fer_sweep.training.population import Member, Population
from fer_sweep.training.seeds import derive_seed

CPU_BYTES = 6 << 20
CUDA_BYTES = 4 << 30
"""Hidden activations of one cohort: on a CPU core a few times its cache, since fewer, larger operations cost less than
they miss; on a GPU as much as keeps it busy."""

IDLE_SHARE = {"cpu": 0.0, "cuda": 0.25}
"""Networks that have ended leave the batch once they are this share of it: on CUDA every change of the batch means to
capture the epoch anew."""

VALIDATION, TEST, TRAIN = 0, 1, -1
"""Numbers of a network's evaluation sets in its Population."""


class Cohort:
    """Networks of one optimizer and batch size that train as one program."""

    def __init__(self, networks: Sequence[Network], *, classes: int, device: torch.device) -> None:
        self.runs: list[NetworkRun] = []  # without shadows
        self._rows: list[NetworkRun] = []  # row p of the population
        for network, shadow in map(with_shadow, networks):
            leader = None
            if shadow is not None:
                leader = NetworkRun(shadow)
                self._rows.append(leader)  # leaders come before their followers and decide first
            run = NetworkRun(network, leader)
            self._rows.append(run)
            self.runs.append(run)
        self._idle_share = IDLE_SHARE[device.type]
        epochs = max(run.last_epoch for run in self._rows)
        members = [_member(run.network, classes) for run in self._rows]
        engine = FusedPopulation if _is_fused(members[0].train, device) else Population
        self._population: Population | FusedPopulation = engine(members, classes=classes, epochs=epochs, device=device)
        self._attend()

    def advance_and_observe(self, epoch: int, trials: Container[int]) -> None:
        """Train every network that has not ended up to this epoch, and note how the networks of these trials do."""
        while self._population.epoch < epoch and (live := self._live()):
            target = min(epoch, *(run.next_stop for _, run in live))
            self._population.advance(target - self._population.epoch)
            self._attend()
        concerned = [(p, run) for p, run in self._live() if run.network.trial in trials]
        if not concerned:
            return
        cross_entropy, _ = self._population.errors()
        test, validation = self._population.predict(TEST), self._population.predict(VALIDATION)
        for p, run in concerned:
            self._observe(run, cross_entropy[p], test[p], validation[p])

    def end(self, trial: int) -> None:
        """Stop the networks of one trial here."""
        for _, run in self._live():
            if run.network.trial == trial:
                run.ended = "stopped"
        self._release()

    def _live(self) -> list[tuple[int, NetworkRun]]:
        return [(p, run) for p, run in enumerate(self._rows) if run.ended is None]

    def _attend(self) -> None:
        epoch = self._population.epoch
        due = [(p, run) for p, run in self._live() if run.next_stop == epoch]
        if not due:
            return
        cross_entropy, half_sse = self._population.errors()
        for p, run in due:
            n = len(run.active)
            removed = run.attend(epoch, cross_entropy[p, :n], half_sse[p, :n])
            if len(removed):
                self._population.deactivate(p, removed)
        self._release()

    def _release(self) -> None:
        """Take down the results of the networks that have ended, and let them leave the batch."""
        leaving = [(p, run) for p, run in enumerate(self._rows) if run.ended is not None and run.result is None]
        if not leaving:
            return
        population, epoch = self._population, self._population.epoch
        cross_entropy, _ = population.errors()
        test, validation, train = (population.predict(part) for part in (TEST, VALIDATION, TRAIN))
        series = population.history()
        for p, run in leaving:
            self._observe(run, cross_entropy[p], test[p], validation[p])
            run.finish(
                epoch,
                Ending(
                    test_probabilities=test[p],
                    validation_probabilities=validation[p],
                    train_probabilities=train[p],
                    errors=cross_entropy[p, : len(run.active)],
                    series=series[:, p],
                ),
            )
        stay = [p for p, _ in self._live()]
        if stay and len(stay) <= (1.0 - self._idle_share) * len(self._rows):
            population.keep(stay)
            self._rows = [self._rows[p] for p in stay]

    def _observe(
        self,
        run: NetworkRun,
        cross_entropy: npt.NDArray[np.float64],
        test: npt.NDArray[np.float32],
        validation: npt.NDArray[np.float32],
    ) -> None:
        data, classes = run.network.data, test.shape[1]
        run.observe(
            self._population.epoch,
            cross_entropy[: len(run.active)],
            metric_values(confusion_matrix(data.test.y, test.argmax(1), classes)),
            metric_values(confusion_matrix(data.validation.y, validation.argmax(1), classes))
            if len(validation)
            else None,
        )


def _member(network: Network, classes: int) -> Member:
    assert isinstance(network.config.model, MlpModel)
    data = network.data
    return Member(
        weights=initial_weights(
            features=data.train.x.shape[1],
            hidden_units=network.config.model.hidden_units,
            classes=classes,
            seed=network.seed,
        ),
        train=network.config.train,
        x=data.train.x,
        y=data.train.y,
        evaluate=(data.validation.x, data.test.x),
        shuffle=np.random.default_rng(derive_seed(network.seed, "shuffle")),
    )


def form_cohorts(networks: Sequence[Network], *, classes: int, device: torch.device, workers: int) -> Iterator[Cohort]:
    """Group networks that can train together: one optimizer and batch size, no more than leaves every one of `workers`
    something to do, and for the batched engine similar widths (narrower ones are padded) and as many as the cache (or
    the GPU) likes."""
    limit = CUDA_BYTES if device.type == "cuda" else CPU_BYTES
    most = -(-len(networks) // workers)
    ordered = sorted(networks, key=lambda n: (*_kind(n), _width(n)))  # stable: networks of a trial stay together
    for _, alike in groupby(ordered, key=_kind):
        batch: list[Network] = []
        for network in alike:
            bytes_with = 4 * (len(batch) + 1) * _width(network) * len(network.data.train.y)
            too_wide = batch and _width(network) > 1.25 * _width(batch[0]) + 8
            misfit = not _is_fused(network.config.train, device) and (bytes_with > limit or too_wide)
            if batch and (len(batch) >= most or misfit):
                yield Cohort(batch, classes=classes, device=device)
                batch = []
            batch.append(network)
        yield Cohort(batch, classes=classes, device=device)


def _is_fused(train: TrainConfig, device: torch.device) -> bool:
    """Whether the compiled engine trains it: full batches on the CPU."""
    return device.type == "cpu" and train.batch_size == "full"


def _kind(network: Network) -> tuple[str, str]:
    return network.config.train.optimizer, str(network.config.train.batch_size)


def _width(network: Network) -> int:
    assert isinstance(network.config.model, MlpModel)
    return network.config.model.hidden_units
