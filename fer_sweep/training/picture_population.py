"""The image engine: the networks of one trial (folds x repeats), trained on pictures in lockstep, epoch by epoch.

The whole data set lies on the device as uint8 and is indexed, changed and normalized there in batches; nothing is
decoded, resized or copied during training. Its interface is that of Population.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fer_sweep.data.pictures import Pixels
from fer_sweep.training.explanation import explain
from fer_sweep.training.member import Floats, Weights
from fer_sweep.training.observation import Judged
from fer_sweep.training.picture_network import Integers, PictureMember, PictureNetwork
from fer_sweep.training.records import Explanation

TEST, TRAIN = 1, -1


class PicturePopulation:
    """P networks that advance through the epochs together. `epoch` counts completed epochs of every network."""

    def __init__(
        self,
        members: Sequence[PictureMember],
        pixels: Pixels,
        *,
        classes: int,
        epochs: int,
        device: torch.device,
    ) -> None:
        self.epoch = 0
        self.device = device
        on_device = torch.tensor(pixels, device=device)
        self._networks = [PictureNetwork(m, on_device, classes=classes, epochs=epochs) for m in members]
        self._history = np.full((2, len(members), epochs + 1), np.nan, dtype=np.float32)
        self._known: dict[tuple[int, int], Tensor] = {}  # log-probabilities of (network, part) at this epoch

    def __len__(self) -> int:
        return len(self._networks)

    @property
    def networks(self) -> Sequence[PictureNetwork]:
        return self._networks

    def advance(self, epochs: int) -> None:
        """Train every network for `epochs` epochs."""
        if self.epoch == 0 and epochs:
            self._record(0, self.errors()[0])
        for epoch in range(self.epoch, self.epoch + epochs):
            for network in self._networks:
                network.train_one_epoch(epoch)
            self._record(epoch + 1, [network.losses.double().cpu().numpy() for network in self._networks])
        if epochs:
            self._known.clear()
        self.epoch += epochs

    def errors(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Per-sample cross-entropy and half sum of squared errors, (P, N) each, of all training pictures as they are,
        by the networks in evaluation mode: what removal rules look at. Padding is zero."""
        both = np.zeros((2, len(self), max(len(n.member.y) for n in self._networks)))
        for p, network in enumerate(self._networks):
            log_probabilities = self._log_probabilities(p, TRAIN).double().cpu().numpy()
            samples = np.arange(len(network.member.y))
            both[0, p, : len(samples)] = -log_probabilities[samples, network.member.y]
            misses = np.exp(log_probabilities)
            misses[samples, network.member.y] -= 1.0
            both[1, p, : len(samples)] = 0.5 * np.square(misses).sum(axis=1)
        return both[0], both[1]

    def recent(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """(P, N) cross-entropy of every training sample when it was last trained on, and whether it was predicted right
        then: costs nothing, but each is by a slightly different network, with dropout, on a changed picture. Before
        training, and for a sample that has just come back into use: of the pictures as they are."""
        errors = np.zeros((len(self), max(len(n.member.y) for n in self._networks)))
        right = np.zeros(errors.shape, dtype=np.bool_)
        if self.epoch == 0:
            for p, predicted in enumerate(self.predict(TRAIN)):
                right[p, : len(predicted)] = predicted.argmax(1) == self._networks[p].member.y
            return self.errors()[0], right
        for p, network in enumerate(self._networks):
            errors[p, : len(network.losses)] = network.losses.double().cpu().numpy()
            right[p, : len(network.right)] = network.right.cpu().numpy()
        return errors, right

    def predict(self, part: int) -> list[Floats]:
        """Class probabilities (n, C) of every network on its part: 0 validation, 1 test, -1 training."""
        return [self._log_probabilities(p, part).exp().cpu().numpy() for p in range(len(self))]

    def judge(self, part: int, truth: Sequence[npt.NDArray[np.int64]]) -> Judged:
        """How every network does on its evaluation set number `part`, whose classes are (n,) of `truth`."""
        return Judged.of(self.predict(part), truth)

    def explain(self, network: int, test_classes: Integers) -> Explanation:
        """What a network looks at. test_classes: (n,) of its test pictures."""
        return explain(self._networks[network], test_classes, self.predict(TEST)[network])

    def weigh(self, network: int, weights: Floats) -> None:
        """(n,) what each training sample of one network weighs from now on; 0: it is not trained on."""
        one = self._networks[network]
        back = np.flatnonzero((weights > 0.0) & ~one.active)
        if len(back):  # what is known of them is from when they were trained on, if they ever were
            one.note(back, self._log_probabilities(network, TRAIN))
        one.weigh(weights)

    def history(self) -> Floats:
        """(2, P, epoch) mean and variance of the active samples' losses at epochs 0..epoch-1, as `recent` has them:
        while they were trained on for the last time, at 0 before training."""
        return self._history[:, :, : self.epoch]

    def keep(self, networks: Sequence[int]) -> None:
        """Drop all networks but these; the rest go on as if they had been alone."""
        self._known = {
            (new, part): known
            for (old, part), known in self._known.items()
            for new, kept in enumerate(networks)
            if kept == old
        }
        self._networks = [self._networks[p] for p in networks]
        self._history = self._history[:, list(networks)]

    def weights(self, network: int) -> Weights:
        """The state of a network's module."""
        return self._networks[network].weights()

    def state(self) -> dict[str, object]:
        """All that training changes, as plain tensors and numbers."""
        history = torch.from_numpy(self._history.copy())
        return {"epoch": self.epoch, "history": history, "networks": [network.state() for network in self._networks]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.epoch = state["epoch"]
        self._history = state["history"].numpy()
        for network, kept in zip(self._networks, state["networks"], strict=True):
            network.restore(kept)
        self._known.clear()

    def _record(self, epoch: int, losses: Iterable[npt.NDArray[np.float64]]) -> None:
        for p, (network, all_losses) in enumerate(zip(self._networks, losses, strict=True)):
            current = all_losses[: len(network.active)][network.active]
            self._history[:, p, epoch] = current.mean(), current.var()

    def _log_probabilities(self, network: int, part: int) -> Tensor:
        if (network, part) not in self._known:
            self._known[network, part] = self._networks[network].log_probabilities(part)
        return self._known[network, part]
