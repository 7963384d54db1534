"""One network on its way through training: its removal state, what was observed of it, and how it ended."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fer_sweep.spec.removal import AumRemoval, BdrSettings, OracleRemoval, error_of, is_random_control
from fer_sweep.spec.trial import TrialConfig
from fer_sweep.training.fold_data import FoldData
from fer_sweep.training.member import Weights
from fer_sweep.training.observation import Observation, loss_histograms
from fer_sweep.training.records import (
    Explanation,
    NetworkResult,
    Removal,
    removal_from,
)
from fer_sweep.training.removal import Decision, Phase, RemovalState, Seen, check, imitate, next_check
from fer_sweep.training.seeds import derive_seed

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

RECORDS = 200
"""Rounds that are recorded, at most about, of a rule that chooses anew again and again."""


@dataclass(frozen=True, eq=False)
class Network:
    """A network to train: one (repeat, fold) of a trial. `shadow` networks only lead a control that removes at random;
    `keep_weights`: it hands out its weights when it ends."""

    trial: int
    data: FoldData
    config: TrialConfig
    seed: int
    shadow: bool = False
    keep_weights: bool = False


@dataclass(frozen=True, eq=False)
class Ending:
    """What a network is at its last epoch, besides what was observed: predictions (n, C), (n,) errors that a removal
    rule would look at, and the series so far."""

    test_probabilities: npt.NDArray[np.float32]
    validation_probabilities: npt.NDArray[np.float32]
    train_probabilities: npt.NDArray[np.float32]
    errors: FloatArray
    series: npt.NDArray[np.float32]


class NetworkRun:
    """Bookkeeping of one network. `leader` is the shadow whose removals a random control imitates."""

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
        self._importance = np.ones(len(self.active), dtype=np.float32)
        self._removals: list[Removal] = []
        self._recorded = self.active  # those in use according to the removals
        self._counts = {0: len(self.active)}  # samples in use from an epoch on
        self._histograms: dict[int, npt.NDArray[np.int32]] = {}
        self._random = np.random.default_rng(derive_seed(network.seed, "random removal"))
        self.next_stop = self._next_stop(-1)

    @property
    def last_epoch(self) -> int:
        """The epoch at which this network ends if nothing ends it earlier."""
        return self.network.config.train.last_epoch

    @property
    def wants_probabilities(self) -> bool:
        """Whether its removal rule looks at more than errors."""
        return isinstance(self.network.config.removal, AumRemoval)

    @property
    def weights_of_samples(self) -> npt.NDArray[np.float32]:
        """(n,) what each training sample weighs; 0: it is not in use."""
        return np.where(self.active, self._importance, np.float32(0.0))

    def attend(
        self,
        epoch: int,
        cross_entropy: FloatArray,
        half_sse: FloatArray,
        probabilities: npt.NDArray[np.float32] | None = None,
    ) -> bool:
        """A stop on the way: let the removal rule look at the (n,) errors, and (n, C) probabilities if it wants them.
        Returns whether what the samples weigh has changed."""
        if not np.isfinite(cross_entropy).all():
            self.ended = "diverged"  # the next report ends the trial
            return False
        if epoch >= self.last_epoch:
            self.ended = "epochs"
            return False
        data = self.network.data
        errors = half_sse if error_of(self.network.config.removal) == "half_sse" else cross_entropy
        decision = self._decide(Seen(epoch, errors, self.active, data.train.y, probabilities, data.planted))
        moved = bool(len(decision.removed) or len(decision.readmitted))
        if moved:
            self._move(epoch, decision, errors, cross_entropy)
        if decision.weights is not None:
            self._importance = decision.weights.astype(np.float32)
        self.next_stop = self._next_stop(epoch)
        return moved or decision.weights is not None

    def observe(self, epoch: int, observation: Observation, histogram: npt.NDArray[np.int32]) -> None:
        """Note how the network does at this epoch. histogram: of the losses in use."""
        self.observation = observation
        self._histograms.setdefault(epoch, histogram)

    def finish(self, epoch: int, ending: Ending) -> None:
        """Freeze what this network leaves behind. It has been observed at this epoch."""
        assert self.observation is not None
        data, seen = self.network.data, self.observation
        last = np.array([seen.train_loss, seen.loss_variance], dtype=np.float32)[:, None]
        loss, variance = np.concatenate([ending.series, last], axis=1)
        active = np.full(epoch + 1, len(self.active), dtype=np.int32)
        for since, count in self._counts.items():
            active[since:] = count
        if (self._recorded != self.active).any():
            self._record(epoch, float("nan"), ending.errors)
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
            "importance": torch.from_numpy(self._importance.copy()),
            "recorded": torch.from_numpy(self._recorded.copy()),
            "counts": dict(self._counts),
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
        self._importance, self._recorded = state["importance"].numpy(), state["recorded"].numpy()
        self._counts = dict(state["counts"])
        self.next_stop = state["next_stop"]
        counts = (tensor.numpy() for tensor in state["histograms"])
        self._histograms = dict(zip(state["histogram_epochs"], counts, strict=True))
        memory = {"phase": Phase(kept["state"]["phase"]), "memory": tuple(kept["state"]["memory"])}
        self._state = RemovalState(**{**kept["state"], **memory})
        self._removals = [removal_from(entry) for entry in kept["removals"]]
        self._random.bit_generator.state = kept["random"]

    def _next_stop(self, epoch: int) -> int:
        if self._leader is not None:
            stop = self._leader.next_stop if self._leader.ended is None else None
        else:
            stop = next_check(self.network.config.removal, self._state, epoch)
        return self.last_epoch if stop is None else min(stop, self.last_epoch)

    def _decide(self, seen: Seen) -> Decision:
        if self._leader is not None:
            self.ended = self._leader.ended
            return imitate(int(self._leader.active.sum()), self.active, rng=self._random)
        decision = check(self.network.config.removal, self._state, seen)
        self._state = decision.state
        if decision.halt:
            self.ended = "removal"
        return decision

    def _move(self, epoch: int, decision: Decision, errors: FloatArray, cross_entropy: FloatArray) -> None:
        """Take samples out of use and back into it. A rule that chooses anew again and again is recorded about as often
        as the network is observed; every round of the others is."""
        removal = self.network.config.removal
        for_good = isinstance(removal, BdrSettings | AumRemoval | OracleRemoval)
        often = not for_good and self._removals and epoch - self._removals[-1].epoch < self.last_epoch / RECORDS
        if not often and epoch not in self._histograms:  # with the samples that go now, so that a picture shows them
            (self._histograms[epoch],) = loss_histograms(cross_entropy[None], self.active[None])
        self.active = self.active.copy()
        self.active[decision.removed], self.active[decision.readmitted] = False, True
        self._counts[epoch] = int(self.active.sum())
        if not often:
            self._record(epoch, decision.threshold, errors)

    def _record(self, epoch: int, threshold: float, errors: FloatArray) -> None:
        index = self.network.data.train.index
        removed = np.flatnonzero(self._recorded & ~self.active)
        self._removals.append(
            Removal(
                epoch=epoch,
                threshold=threshold,
                removed=tuple(index[removed].tolist()),
                errors=tuple(errors[removed].tolist()),
                variance_before=float(errors[self._recorded].var()),
                variance_after=float(errors[self.active].var()),
                active_after=int(self.active.sum()),
                readmitted=tuple(index[self.active & ~self._recorded].tolist()),
            )
        )
        self._recorded = self.active


def with_shadow(network: Network) -> tuple[Network, Network | None]:
    """The network, and for a random control the shadow that follows the rule with the same weights and split."""
    removal = network.config.removal
    if not is_random_control(removal):
        return network, None
    config = network.config.model_copy(update={"removal": removal.model_copy(update={"at_random": False})})
    return network, replace(network, config=config, shadow=True, keep_weights=False)
