"""One network that sees pictures: its module, its optimizer, and the passes over the data set on the device."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_sweep.models.dropout import draw_from
from fer_sweep.models.pictures import Normalization, build_picture_network, plain_batch
from fer_sweep.spec.models import CnnModel, ResnetModel
from fer_sweep.spec.train import AugmentConfig, ScheduleConfig, TrainConfig
from fer_sweep.training.augmentation import changed_batch, erased, mixed
from fer_sweep.training.member import Floats, importance
from fer_sweep.training.schedules import rates_until
from fer_sweep.training.seeds import derive_seed

Integers = npt.NDArray[np.int64]

EVALUATION_BATCH = 64
TRAIN = -1
"""Its training pictures among the parts of a member."""


@dataclass(frozen=True, eq=False)
class PictureMember:
    """A network to train. parts: rows of the data set for validation, test and training, in this order; y: (n,) classes
    of the training rows."""

    model: CnnModel | ResnetModel
    train: TrainConfig
    schedule: ScheduleConfig
    augment: AugmentConfig
    seed: int
    parts: tuple[Integers, Integers, Integers]
    y: Integers


class PictureNetwork:
    """Trains epoch by epoch. What is random in epoch e is a function of (member.seed, e) alone, so that training can go
    on from any epoch, whatever trains beside it.

    Work that takes long is an iterator of its steps, a batch each.
    """

    def __init__(self, member: PictureMember, pixels: Tensor, *, classes: int, epochs: int) -> None:
        device = pixels.device
        self.member = member
        self._pixels = pixels
        self._classes = classes
        self.module = build_picture_network(member.model, classes=classes, seed=member.seed)
        self.module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._draw = torch.Generator(device)
        draw_from(self.module, self._draw)
        self._normalization = Normalization(member.model, device)
        self._rates = rates_until(epochs, member.train, member.schedule)
        self._optimizer = _optimizer(member.train, self.module)
        self._bfloat16 = _computes_in_bfloat16(member.train, device)
        self._parts = [torch.from_numpy(rows).to(device) for rows in member.parts]
        self._y = torch.from_numpy(member.y.copy()).to(device)
        self._importance = torch.from_numpy(importance(member.train, member.y, classes)).to(device)
        self._weights = torch.ones(len(member.y), device=device)
        self.active = np.ones(len(member.y), dtype=np.bool_)
        # of the active samples, when last trained on: losses, and whether the predictions were right
        self.losses = torch.zeros(len(member.y), device=device)
        self.right = torch.zeros(len(member.y), dtype=torch.bool, device=device)
        # mean and variance of the active losses, as they were when last trained on; at 0 before training
        self.history: Floats = np.full((2, epochs + 1), np.nan, dtype=np.float32)
        self._known: dict[int, Tensor] = {}  # log-probabilities of parts since it last trained

    def weigh(self, weights: npt.NDArray[np.float32]) -> None:
        """(n,) what each training sample weighs from now on; 0: it is not trained on."""
        self.active = weights > 0.0
        self._weights = torch.from_numpy(weights).to(self.device)

    def note(self, positions: Integers) -> None:
        """Take over how the training samples at these positions do as they are, by the network in evaluation mode."""
        index = torch.from_numpy(positions).to(self.device)
        found, y = self.log_probabilities(TRAIN)[index], self._y[index]
        self.losses[index] = -found.gather(1, y[:, None]).squeeze(1).to(self.losses.dtype)
        self.right[index] = found.argmax(1) == y

    def training(self, epochs: range) -> Iterator[None]:
        """Train for these epochs."""
        if epochs and epochs.start == 0:
            yield from self.looking(TRAIN)
            self._record(0, -self.log_probabilities(TRAIN).gather(1, self._y[:, None]).squeeze(1))
        for epoch in epochs:
            yield from self.train_one_epoch(epoch)
            self._record(epoch + 1, self.losses)

    def train_one_epoch(self, epoch: int) -> Iterator[None]:
        """One pass over the active training samples in random mini-batches."""
        self._known.clear()
        self.module.train()
        for group in self._optimizer.param_groups:
            group["lr"] = float(self._rates[epoch])
        self._draw.manual_seed(derive_seed(self.member.seed, "epoch", epoch))
        shares = np.random.default_rng(derive_seed(self.member.seed, "mixup", epoch))
        positions = torch.from_numpy(np.flatnonzero(self.active)).to(self.device)
        order = positions[torch.randperm(len(positions), generator=self._draw, device=self.device)]
        for batch in _batches(order, self.member.train.batch_size):
            self._train_on(batch, shares)
            yield

    def _train_on(self, batch: Tensor, shares: np.random.Generator) -> None:
        augment, y = self.member.augment, self._y[batch]
        x = self._normalization.apply(changed_batch(self._pixels, self._parts[TRAIN][batch], augment, self._draw))
        if augment.erasing:
            x = erased(x, augment.erasing, self._draw)
        smoothing = self.member.train.label_smoothing
        goals = functional.one_hot(y, self._classes).float() * (1.0 - smoothing) + smoothing / self._classes
        goals *= (self._importance[batch] * self._weights[batch])[:, None]  # what a picture weighs is blended with it
        if augment.mixup:
            x, goals = mixed(x, goals, shares.beta(augment.mixup, augment.mixup), self._draw)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._bfloat16):
            logits = self.module(x)
        log_probabilities = logits.float().log_softmax(-1)
        loss = -(goals * log_probabilities).sum() / goals.sum()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        self.losses[batch] = -log_probabilities.detach().gather(1, y[:, None]).squeeze(1)
        self.right[batch] = log_probabilities.detach().argmax(1) == y

    def _record(self, epoch: int, losses: Tensor) -> None:
        current = losses.double().cpu().numpy()[self.active]
        self.history[:, epoch] = current.mean(), current.var()

    def looking(self, part: int) -> Iterator[None]:
        """Find out what `log_probabilities` of a part are, unless that is known."""
        if part in self._known:
            return
        self.module.eval()
        found = [torch.empty(0, self._classes, device=self.device)]
        for rows in torch.split(self._parts[part], EVALUATION_BATCH) if len(self._parts[part]) else ():
            with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16):
                found.append(self.module(self.prepared(rows)).float())
            yield
        self._known[part] = torch.cat(found).log_softmax(-1)

    def log_probabilities(self, part: int) -> Tensor:
        """(n, C) of the pictures of a part as they are, by the network in evaluation mode."""
        for _ in self.looking(part):
            pass
        return self._known[part]

    def prepared(self, rows: Tensor) -> Tensor:
        """(B, 3, S, S) pictures as the network wants them, unchanged otherwise."""
        return self._normalization.apply(plain_batch(self._pixels, rows))

    @property
    def device(self) -> torch.device:
        return self._pixels.device

    def seen(self, rows: Integers) -> npt.NDArray[np.uint8]:
        """(k, S, S, 3) pictures of the data set."""
        return self._pixels[torch.from_numpy(rows).to(self.device)].cpu().numpy()

    def weights(self) -> dict[str, npt.NDArray[Any]]:
        """The module's state, by the names of its tensors."""
        return {name: tensor.cpu().contiguous().numpy().copy() for name, tensor in self.module.state_dict().items()}

    def state(self) -> dict[str, object]:
        """All that training changes, as plain tensors."""
        return {
            "module": self.module.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "weights": self._weights,
            "losses": self.losses,
            "right": self.right,
            "history": torch.from_numpy(self.history.copy()),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.module.load_state_dict(state["module"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.weigh(state["weights"].cpu().numpy())
        self.losses = state["losses"].to(self.device)
        self.right = state["right"].to(self.device)
        self.history = state["history"].numpy()
        self._known.clear()


def _batches(order: Tensor, size: object) -> Iterator[Tensor]:
    """Mini-batches; a last one of a single sample joins the one before, as batch normalization needs two."""
    assert isinstance(size, int)
    batches = list(torch.split(order, size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    yield from batches


def _optimizer(train: TrainConfig, module: nn.Module) -> torch.optim.Optimizer:
    weights, rate, decay = module.parameters(), train.learning_rate, train.weight_decay
    match train.optimizer:
        case "sgd":
            return torch.optim.SGD(weights, rate, momentum=train.momentum, weight_decay=decay, fused=True)
        case "adam":
            return torch.optim.Adam(weights, rate, weight_decay=decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(weights, rate, weight_decay=decay, fused=True)


def _computes_in_bfloat16(train: TrainConfig, device: torch.device) -> bool:
    if train.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return train.precision == "bfloat16"
