"""One network on its way through training: its removal state, what was observed of it, and how it ended."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fer_sweep.spec.removal import BdrRemoval, OracleRemoval, RandomRemoval
from fer_sweep.spec.trial import TrialConfig
from fer_sweep.training.fold_data import FoldData
from fer_sweep.training.member import Weights
from fer_sweep.training.records import (
    HISTOGRAM_BINS,
    HISTOGRAM_MAX,
    Explanation,
    MetricValues,
    NetworkResult,
    Removal,
    removal_from,
)
from fer_sweep.training.removal import (
    NOTHING,
    Phase,
    RemovalState,
    check_bdr,
    check_oracle,
    choose_randomly,
    next_check,
)
from fer_sweep.training.seeds import derive_seed

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Network:
    """A network to train: one (repeat, fold) of a trial. `shadow` networks only lead a random-removal control;
    `keep_weights`: it hands out its weights when it ends."""

    trial: int
    data: FoldData
    config: TrialConfig
    seed: int
    shadow: bool = False
    keep_weights: bool = False


@dataclass(frozen=True)
class Observation:
    """A network at one epoch."""

    train_loss: float
    loss_variance: float
    active: int
    train_accuracy: float
    test_loss: float
    test: MetricValues
    validation: MetricValues | None


@dataclass(frozen=True, eq=False)
class Ending:
    """What a network is at its last epoch: predictions (n, C), training accuracy and errors, and the series so far."""

    test_probabilities: npt.NDArray[np.float32]
    validation_probabilities: npt.NDArray[np.float32]
    train_probabilities: npt.NDArray[np.float32]
    errors: FloatArray
    series: npt.NDArray[np.float32]


class NetworkRun:
    """Bookkeeping of one network. `leader` is the shadow whose removals a random-removal control imitates."""

    def __init__(self, network: Network, leader: "NetworkRun | None" = None) -> None:
        self.network = network
        self.observation: Observation | None = None
        self.result: NetworkResult | None = None
        self.explanation: Explanation | None = None
        self.weights: Weights | None = None
        self.ended: str | None = None
        self.active = np.ones(len(network.data.train.y), dtype=np.bool_)
        self._leader = leader
        self._state = RemovalState()
        self._removals: list[Removal] = []
        self._histograms: dict[int, npt.NDArray[np.int32]] = {}
        self._random = np.random.default_rng(derive_seed(network.seed, "random removal"))
        self.next_stop = self._next_stop(-1)

    @property
    def last_epoch(self) -> int:
        """The epoch at which this network ends if nothing ends it earlier."""
        return self.network.config.train.last_epoch

    def attend(self, epoch: int, cross_entropy: FloatArray, half_sse: FloatArray) -> IntArray:
        """A stop on the way: let the removal rule look at the (n,) errors. Returns the positions it removed."""
        if epoch >= self.last_epoch or not np.isfinite(cross_entropy).all():
            self.ended = "epochs"  # the report of a loss that is no number ends the trial
            return NOTHING
        removal = self.network.config.removal
        errors = half_sse if getattr(removal, "error", None) == "half_sse" else cross_entropy
        removed, threshold = self._decide(epoch, errors)
        if len(removed):
            self._remember_histogram(epoch, cross_entropy)  # with the samples that go now, so that a picture shows them
            self._remove(epoch, removed, threshold, errors)
        self.next_stop = self._next_stop(epoch)
        return removed

    def observe(
        self,
        epoch: int,
        cross_entropy: FloatArray,
        right: BoolArray,
        *,
        test_loss: float,
        test: MetricValues,
        validation: MetricValues | None,
    ) -> None:
        """Note how the network does at this epoch. cross_entropy, right: (n,) of all its training samples."""
        current = self._active_errors(cross_entropy)
        self.observation = Observation(
            train_loss=float(current.mean()),
            loss_variance=float(current.var()),
            active=len(current),
            train_accuracy=float(right[self.active].mean()),
            test_loss=test_loss,
            test=test,
            validation=validation,
        )
        self._remember_histogram(epoch, cross_entropy)

    def finish(self, epoch: int, ending: Ending) -> None:
        """Freeze what this network leaves behind."""
        data, current = self.network.data, self._active_errors(ending.errors)
        last = np.array([current.mean(), current.var()], dtype=np.float32)[:, None]
        loss, variance = np.concatenate([ending.series, last], axis=1)
        active = np.full(epoch + 1, len(self.active), dtype=np.int32)
        for removal in self._removals:
            active[removal.epoch :] = removal.active_after
        self._remember_histogram(epoch, ending.errors)
        self.result = NetworkResult(
            repeat=data.repeat,
            fold=data.fold,
            seed=self.network.seed,
            test=data.test.index,
            test_probabilities=ending.test_probabilities,
            validation=data.validation.index,
            validation_probabilities=ending.validation_probabilities,
            train_accuracy=float((ending.train_probabilities.argmax(1) == data.train.y).mean()),
            epochs=epoch,
            ended=self.ended or "stopped",
            train_loss=loss,
            loss_variance=variance,
            active=active,
            histogram_epochs=np.array(list(self._histograms), dtype=np.int64),
            histograms=np.stack(list(self._histograms.values())),
            removals=tuple(self._removals),
            train_size=len(self.active),
        )

    def state(self) -> dict[str, object]:
        """All that `restore` needs, as plain tensors and text; of a network that has not ended."""
        assert self.ended is None
        return {
            "active": torch.from_numpy(self.active.copy()),
            "next_stop": self.next_stop,
            "histogram_epochs": list(self._histograms),
            "histograms": [torch.from_numpy(counts) for counts in self._histograms.values()],
            "bookkeeping": json.dumps({
                "state": asdict(self._state),
                "removals": [asdict(removal) for removal in self._removals],
                "random": self._random.bit_generator.state,
            }),
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        kept = json.loads(state["bookkeeping"])
        self.active = state["active"].numpy()
        self.next_stop = state["next_stop"]
        counts = (tensor.numpy() for tensor in state["histograms"])
        self._histograms = dict(zip(state["histogram_epochs"], counts, strict=True))
        self._state = RemovalState(**{**kept["state"], "phase": Phase(kept["state"]["phase"])})
        self._removals = [removal_from(entry) for entry in kept["removals"]]
        self._random.bit_generator.state = kept["random"]

    def _next_stop(self, epoch: int) -> int:
        removal = self.network.config.removal
        check: int | None = None
        if isinstance(removal, OracleRemoval):
            check = removal.start if epoch < removal.start else None
        elif isinstance(removal, RandomRemoval):
            assert self._leader is not None
            check = self._leader.next_stop if self._leader.ended is None else None
        elif isinstance(removal, BdrRemoval):
            check = next_check(removal, self._state, epoch)
        return self.last_epoch if check is None else min(check, self.last_epoch)

    def _decide(self, epoch: int, errors: FloatArray) -> tuple[IntArray, float]:
        removal, data = self.network.config.removal, self.network.data
        if isinstance(removal, OracleRemoval):
            assert data.planted is not None
            return check_oracle(removal, epoch=epoch, active=self.active, planted=data.planted), float("nan")
        if isinstance(removal, RandomRemoval):
            assert self._leader is not None
            self.ended = self._leader.ended
            count = sum(len(r.removed) for r in self._leader._removals if r.epoch == epoch)
            return choose_randomly(count, self.active, rng=self._random) if count else NOTHING, float("nan")
        if isinstance(removal, BdrRemoval):
            decision = check_bdr(
                removal, self._state, epoch=epoch, errors=errors, active=self.active, labels=data.train.y
            )
            self._state = decision.state
            if decision.halt:
                self.ended = "removal"
            return decision.removed, decision.threshold
        return NOTHING, float("nan")

    def _remove(self, epoch: int, removed: IntArray, threshold: float, errors: FloatArray) -> None:
        before = float(errors[self.active].var())
        self.active[removed] = False
        self._removals.append(
            Removal(
                epoch=epoch,
                threshold=threshold,
                removed=tuple(self.network.data.train.index[removed].tolist()),
                errors=tuple(errors[removed].tolist()),
                variance_before=before,
                variance_after=float(errors[self.active].var()),
                active_after=int(self.active.sum()),
            )
        )

    def _active_errors(self, cross_entropy: FloatArray) -> FloatArray:
        """Errors of the active samples; all NaN once one of them is no number."""
        current = cross_entropy[self.active]
        return current if np.isfinite(current).all() else np.full_like(current, np.nan)

    def _remember_histogram(self, epoch: int, cross_entropy: FloatArray) -> None:
        if epoch not in self._histograms:
            current = self._active_errors(cross_entropy)
            bins = np.fmin(current * (HISTOGRAM_BINS / HISTOGRAM_MAX), HISTOGRAM_BINS - 1)
            self._histograms[epoch] = np.bincount(bins.astype(np.int64), minlength=HISTOGRAM_BINS).astype(np.int32)


def with_shadow(network: Network) -> tuple[Network, Network | None]:
    """The network, and for a random-removal control the shadow that runs BDR with the same weights and split."""
    removal = network.config.removal
    if not isinstance(removal, RandomRemoval):
        return network, None
    bdr = BdrRemoval.model_validate({**removal.model_dump(), "rule": "bdr"})
    config = network.config.model_copy(update={"removal": bdr})
    return network, replace(network, config=config, shadow=True, keep_weights=False)
