"""The image engine: the networks of one trial (folds x repeats), trained on pictures in lockstep, epoch by epoch.

The whole data set lies on the device as uint8 and is indexed, changed and normalized there in batches; nothing is
decoded, resized or copied during training. On a CPU, as many networks train at once as there are threads and memory:
small batches do not keep many threads busy. Its interface is that of Population.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fer_sweep.data.pictures import Pixels
from fer_sweep.training.explanation import explain, typical
from fer_sweep.training.member import Floats, Weights
from fer_sweep.training.memory import networks_at_once
from fer_sweep.training.observation import Judged
from fer_sweep.training.picture_network import TRAIN, Integers, PictureMember, PictureNetwork
from fer_sweep.training.records import Explanation
from fer_sweep.training.threads import go_side_by_side

TEST = 1


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
        self._at_once = _at_once(self._networks)

    def __len__(self) -> int:
        return len(self._networks)

    @property
    def networks(self) -> Sequence[PictureNetwork]:
        return self._networks

    def advance(self, epochs: int) -> None:
        """Train every network for `epochs` epochs."""
        self._go(network.training(range(self.epoch, self.epoch + epochs)) for network in self._networks)
        self.epoch += epochs

    def errors(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Per-sample cross-entropy and half sum of squared errors, (P, N) each, of all training pictures as they are,
        by the networks in evaluation mode: what removal rules look at. Padding is zero."""
        self._look(TRAIN)
        both = np.zeros((2, len(self), max(len(n.member.y) for n in self._networks)))
        for p, network in enumerate(self._networks):
            log_probabilities = network.log_probabilities(TRAIN).double().cpu().numpy()
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
        self._look(part)
        return [network.log_probabilities(part).exp().cpu().numpy() for network in self._networks]

    def judge(self, part: int, truth: Sequence[npt.NDArray[np.int64]]) -> Judged:
        """How every network does on its evaluation set number `part`, whose classes are (n,) of `truth`."""
        return Judged.of(self.predict(part), truth)

    def explain(self, network: int, test_classes: Integers) -> Explanation:
        """What a network looks at. test_classes: (n,) of its test pictures."""
        one = self._networks[network]
        rows = one.member.parts[TEST][typical(test_classes, self.predict(TEST)[network])]
        prepared = one.prepared(torch.from_numpy(rows).to(self.device))
        return explain(one.module.eval(), prepared, rows, one.seen(rows))

    def weigh(self, network: int, weights: Floats) -> None:
        """(n,) what each training sample of one network weighs from now on; 0: it is not trained on."""
        one = self._networks[network]
        back = np.flatnonzero((weights > 0.0) & ~one.active)
        if len(back):  # what is known of them is from when they were trained on, if they ever were
            one.note(back)
        one.weigh(weights)

    def history(self) -> Floats:
        """(2, P, epoch) mean and variance of the active samples' losses at epochs 0..epoch-1, as `recent` has them:
        while they were trained on for the last time, at 0 before training."""
        return np.stack([network.history[:, : self.epoch] for network in self._networks], axis=1)

    def keep(self, networks: Sequence[int]) -> None:
        """Drop all networks but these; the rest go on as if they had been alone."""
        self._networks = [self._networks[p] for p in networks]

    def weights(self, network: int) -> Weights:
        """The state of a network's module."""
        return self._networks[network].weights()

    def state(self) -> dict[str, object]:
        """All that training changes, as plain tensors and numbers."""
        return {"epoch": self.epoch, "networks": [network.state() for network in self._networks]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.epoch = state["epoch"]
        for network, kept in zip(self._networks, state["networks"], strict=True):
            network.restore(kept)

    def _look(self, part: int) -> None:
        self._go(network.looking(part) for network in self._networks)

    def _go(self, courses: Iterable[Iterator[None]]) -> None:
        go_side_by_side(list(courses), at_once=self._at_once)


def _at_once(networks: Sequence[PictureNetwork]) -> int:
    """How many of these networks train at once. A GPU takes one after another: each fills it, or waits for the host."""
    first, threads = networks[0], torch.get_num_threads()
    if first.device.type == "cuda" or min(len(networks), threads) == 1:
        return 1
    picture = first.prepared(torch.zeros(1, dtype=torch.int64))
    return min(threads, networks_at_once(first.module, picture, int(first.member.train.batch_size)))
