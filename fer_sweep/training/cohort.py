"""A cohort: networks that share one engine, stopping where a removal rule must look and leaving as they end."""

from collections.abc import Container, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fer_sweep.training.engines import build_engine, is_fused, kind_of, width_of
from fer_sweep.training.network_run import Ending, Network, NetworkRun, with_shadow
from fer_sweep.training.observation import Fit, Judged, loss_histograms, observe
from fer_sweep.training.picture_population import PicturePopulation

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
    """Networks of one kind that train as one program."""

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
        self._classes = classes
        self._idle_share = IDLE_SHARE[device.type]
        epochs = max(run.last_epoch for run in self._rows)
        self._population = build_engine(
            [run.network for run in self._rows], classes=classes, epochs=epochs, device=device
        )
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
        cross_entropy, right = self._population.recent()
        test, validation = (self._population.judge(part, self._truth(part)) for part in (TEST, VALIDATION))
        self._observe(concerned, cross_entropy, right, test, validation)

    def end(self, trial: int) -> None:
        """Stop the networks of one trial here."""
        for _, run in self._live():
            if run.network.trial == trial:
                run.ended = "stopped"
        self._release()

    def state(self) -> dict[str, object] | None:
        """All that the cohort needs to go on from here, as plain tensors and numbers; None once a network has ended.
        Of networks that see pictures: the others are trained again faster than kept."""
        if not isinstance(self._population, PicturePopulation) or any(run.ended is not None for run in self.runs):
            return None
        return {"population": self._population.state(), "rows": [run.state() for run in self._rows]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned for a cohort of the same networks."""
        assert isinstance(self._population, PicturePopulation)
        self._population.restore(state["population"])
        for run, kept in zip(self._rows, state["rows"], strict=True):
            run.restore(kept)

    def _live(self) -> list[tuple[int, NetworkRun]]:
        return [(p, run) for p, run in enumerate(self._rows) if run.ended is None]

    def _attend(self) -> None:
        epoch = self._population.epoch
        due = [(p, run) for p, run in self._live() if run.next_stop == epoch]
        if not due:
            return
        cross_entropy, half_sse = self._population.errors()
        probabilities = self._population.predict(TRAIN) if any(run.wants_probabilities for _, run in due) else None
        for p, run in due:
            n = len(run.active)
            seen = None if probabilities is None else probabilities[p]
            if run.attend(epoch, cross_entropy[p, :n], half_sse[p, :n], seen):
                self._population.weigh(p, run.weights_of_samples)
        self._release()

    def _release(self) -> None:
        """Take down the results of the networks that have ended, and let them leave the batch."""
        leaving = [(p, run) for p, run in enumerate(self._rows) if run.ended is not None and run.result is None]
        if not leaving:
            return
        population, epoch = self._population, self._population.epoch
        errors, _ = population.errors()
        losses, right = population.recent()
        test, validation, train = (population.predict(part) for part in (TEST, VALIDATION, TRAIN))
        series = population.history()
        judged = (Judged.of(found, self._truth(part)) for part, found in ((TEST, test), (VALIDATION, validation)))
        self._observe(leaving, losses, right, *judged)
        for p, run in leaving:
            run.finish(
                epoch,
                Ending(
                    test_probabilities=test[p],
                    validation_probabilities=validation[p],
                    train_probabilities=train[p],
                    errors=errors[p, : len(run.active)],
                    series=series[:, p],
                ),
            )
            if run.network.keep_weights:
                run.weights = population.weights(p)
            data = run.network.data
            if isinstance(population, PicturePopulation) and (data.repeat, data.fold) == (0, 0) and len(data.test.y):
                run.explanation = population.explain(p, data.test.y)
        stay = [p for p, _ in self._live()]
        if stay and len(stay) <= (1.0 - self._idle_share) * len(self._rows):
            population.keep(stay)
            self._rows = [self._rows[p] for p in stay]

    def _observe(
        self,
        concerned: Sequence[tuple[int, NetworkRun]],
        cross_entropy: npt.NDArray[np.float64],
        right: npt.NDArray[np.bool_],
        test: Judged,
        validation: Judged,
    ) -> None:
        """Note how the networks in these rows of the population do; everything else is by row."""
        active = np.zeros(right.shape, dtype=np.bool_)
        for p, run in concerned:
            active[p, : len(run.active)] = run.active
        rows = [p for p, _ in concerned]
        fit = Fit(cross_entropy[rows], right[rows], active[rows])
        seen = observe(fit, test.select(rows), validation.select(rows), classes=self._classes)
        histograms = loss_histograms(fit.cross_entropy, fit.active)
        for (_, run), observation, histogram in zip(concerned, seen, histograms, strict=True):
            run.observe(self._population.epoch, observation, histogram)

    def _truth(self, part: int) -> list[npt.NDArray[np.int64]]:
        """Classes of a part's samples, of every row."""
        data = (run.network.data for run in self._rows)
        return [(d.test if part == TEST else d.validation).y for d in data]


def form_cohorts(networks: Sequence[Network], *, classes: int, device: torch.device, workers: int) -> Iterator[Cohort]:
    """Group networks that can train together. The fused engine has threads of its own and takes them all; the batched
    one no more than leaves every one of `workers` something to do, of similar widths (narrower ones are padded), and as
    many as the cache (or the GPU) likes."""
    limit = CUDA_BYTES if device.type == "cuda" else CPU_BYTES
    most = -(-len(networks) // workers)
    # stable: networks of a trial stay together
    ordered = sorted(networks, key=lambda n: (*kind_of(n, device), width_of(n)))
    for _, alike in groupby(ordered, key=lambda n: kind_of(n, device)):
        batch: list[Network] = []
        for network in alike:
            bytes_with = 4 * (len(batch) + 1) * width_of(network) * len(network.data.train.y)
            too_wide = batch and width_of(network) > 1.25 * width_of(batch[0]) + 8
            batched = network.data.pixels is None and not is_fused(network, device)
            misfit = len(batch) >= most or bytes_with > limit or too_wide
            if batch and batched and misfit:
                yield Cohort(batch, classes=classes, device=device)
                batch = []
            batch.append(network)
        yield Cohort(batch, classes=classes, device=device)
