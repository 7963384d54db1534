"""The population engine: many one-hidden-layer networks trained as one batched program, on the CPU or on CUDA.

P networks of one optimizer and one batch size stand side by side in every tensor. Each has its own samples, learning
rate, initial weights and active-sample mask. Nothing here knows about trials, folds or removal rules.

Shape letters: P networks, N training samples (padded), D features + 1, H hidden units + 1, C classes.

Two conventions keep the inner loop to three products forward and three back:
  * the features carry a last column of ones, and the last hidden unit is a constant one (its incoming weights are
    fixed at 0 but for the bias input, its gradient is zeroed), so both biases live inside the weight matrices;
  * narrower networks are padded with hidden units of weight zero, which stay zero: their activations are zero, so
    their outgoing gradient is, and their outgoing weights are zero, so their incoming gradient is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from fer_sweep.models.mlp import MlpWeights
from fer_sweep.spec.trial import TrainConfig

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's defaults (Kingma & Ba 2014), as in torch.optim


@dataclass(frozen=True, eq=False)
class Member:
    """One network to train. x: (n, d) training features, y: (n,) classes; `evaluate` are further feature sets
    (validation, test) to predict on; `shuffle` draws the mini-batches."""

    weights: MlpWeights
    train: TrainConfig
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    evaluate: tuple[npt.NDArray[np.float32], ...]
    shuffle: np.random.Generator


@dataclass
class _Workspace:
    """Buffers of one forward and backward pass over B samples per network: allocated once, used every epoch."""

    hidden: Tensor  # (P, B, H)
    hidden_gradient: Tensor  # (P, B, H)
    logits: Tensor  # (P, B, C)


class Population:
    """P networks that advance through the epochs together. `epoch` counts completed updates of every network."""

    def __init__(self, members: Sequence[Member], *, classes: int, epochs: int, device: torch.device) -> None:
        first = members[0].train
        assert all((m.train.optimizer, m.train.batch_size) == (first.optimizer, first.batch_size) for m in members)
        self.epoch = 0
        self.device = device
        self._optimizer = first.optimizer
        self._batch_size = first.batch_size
        self._shuffles = [m.shuffle for m in members]
        self._sizes = [len(m.y) for m in members]
        self._evaluation_sizes = [[len(x) for x in m.evaluate] for m in members]
        d = members[0].x.shape[1]
        self._shape = (d + 1, 1 + max(len(m.weights.hidden_bias) for m in members), classes)
        padded = max(self._sizes)

        self._x = self._features([m.x for m in members])
        self._targets = torch.zeros(len(members), padded, classes)
        self._active = torch.zeros(len(members), padded)
        for p, member in enumerate(members):
            self._targets[p, : len(member.y)] = functional.one_hot(torch.from_numpy(member.y.copy()), classes)
            self._active[p, : len(member.y)] = 1.0
        self._targets, self._active = self._targets.to(device), self._active.to(device)
        self._evaluation = [self._features(list(sets)) for sets in zip(*(m.evaluate for m in members), strict=True)]

        self._weights = torch.stack([self._flatten(m.weights) for m in members]).to(device)
        self._gradient = torch.zeros_like(self._weights)
        self._moment = torch.zeros_like(self._weights)
        self._square = torch.zeros_like(self._weights)
        self._rates = torch.tensor([[m.train.learning_rate] for m in members], device=device)
        self._momenta = torch.tensor([[m.train.momentum] for m in members], device=device)
        self._decays = torch.tensor([[m.train.weight_decay] for m in members], device=device)
        # in float32, 1 - 0.999**1 is off by 5e-5, which would soon show in the losses
        self._updates = torch.zeros(len(members), 1, dtype=torch.float64, device=device)
        self._history = torch.full((2, len(members), epochs + 1), float("nan"), device=device)
        self._column = torch.zeros(1, dtype=torch.int64, device=device)  # where the next epoch is recorded
        self._shares = torch.empty(0, device=device)
        self._allocate()

    # -- what the caller does between updates ------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._sizes)

    def advance(self, epochs: int) -> None:
        """Run `epochs` epochs without looking at anything."""
        if self._graph is not None:
            for _ in range(epochs):
                self._graph.replay()
        else:
            for _ in range(epochs):
                self._train_one_epoch()
        self.epoch += epochs

    def errors(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Per-sample cross-entropy and half sum of squared errors of the current networks, (P, N) each, on all
        training samples; what stands in the padding means nothing."""
        work = self._work_full
        log_probabilities = self._forward(self._x, work).log_softmax(-1)
        cross_entropy = -(log_probabilities * self._targets).sum(-1)
        squares = 0.5 * (log_probabilities.exp() - self._targets).square().sum(-1)
        return cross_entropy.double().cpu().numpy(), squares.double().cpu().numpy()

    def predict(self, part: int) -> list[npt.NDArray[np.float32]]:
        """Class probabilities (n, C) of every network on its evaluation set number `part`; -1 is the training set."""
        x = self._x if part < 0 else self._evaluation[part]
        probabilities = torch.bmm(torch.bmm(x, self._hidden).relu_(), self._output).softmax(-1).cpu().numpy()
        sizes = self._sizes if part < 0 else [sizes[part] for sizes in self._evaluation_sizes]
        return [probabilities[p, :n] for p, n in enumerate(sizes)]

    def deactivate(self, network: int, positions: npt.NDArray[np.int64]) -> None:
        """Take training samples away from one network for the rest of its training."""
        self._active[network, torch.from_numpy(positions).to(self.device)] = 0.0
        self._weight_samples()

    def history(self) -> npt.NDArray[np.float32]:
        """(2, P, epoch) mean and variance of the active samples' cross-entropy at epochs 0..epoch-1."""
        return self._history[:, :, : self.epoch].cpu().numpy()

    def keep(self, networks: Sequence[int]) -> None:
        """Drop all networks but these; the rest go on as if they had been alone."""
        index = torch.tensor(networks, device=self.device)
        for name in (
            "_x",
            "_targets",
            "_active",
            "_weights",
            "_moment",
            "_square",
            "_rates",
            "_momenta",
            "_decays",
            "_updates",
        ):
            setattr(self, name, getattr(self, name).index_select(0, index))
        self._gradient = torch.zeros_like(self._weights)
        self._evaluation = [x.index_select(0, index) for x in self._evaluation]
        self._history = self._history.index_select(1, index)
        self._sizes = [self._sizes[p] for p in networks]
        self._evaluation_sizes = [self._evaluation_sizes[p] for p in networks]
        self._shuffles = [self._shuffles[p] for p in networks]
        self._allocate()

    # -- tensors -----------------------------------------------------------------------------------------------------

    def _features(self, arrays: Sequence[npt.NDArray[np.float32]]) -> Tensor:
        features = torch.zeros(len(arrays), max(len(x) for x in arrays), self._shape[0])
        for p, x in enumerate(arrays):
            features[p, : len(x), :-1] = torch.from_numpy(x)
            features[p, : len(x), -1] = 1.0
        return features.to(self.device)

    def _flatten(self, weights: MlpWeights) -> Tensor:
        d, h, c = self._shape
        units = len(weights.hidden_bias)
        hidden, output = torch.zeros(d, h), torch.zeros(h, c)
        hidden[:-1, :units], hidden[-1, :units], hidden[-1, -1] = weights.hidden.T, weights.hidden_bias, 1.0
        output[:units], output[-1] = weights.output.T, weights.output_bias
        return torch.cat([hidden.flatten(), output.flatten()])

    def _matrices(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        d, h, c = self._shape
        return flat[:, : d * h].view(-1, d, h), flat[:, d * h :].view(-1, h, c)

    def _allocate(self) -> None:
        self._hidden, self._output = self._matrices(self._weights)
        self._hidden_gradient, self._output_gradient = self._matrices(self._gradient)
        self._decay_rates = self._decay_of_every_weight() if bool((self._decays > 0).any()) else None
        self._work_full = self._workspace(self._x.shape[1])
        self._work_batch = None if self._batch_size == "full" else self._workspace(self._batch_size)
        self._weight_samples()
        self._graph = self._captured_epoch() if self.device.type == "cuda" and self._batch_size == "full" else None

    def _decay_of_every_weight(self) -> Tensor:
        """(P, D * H + H * C) weight decay; the constant hidden unit is no weight and must not decay."""
        d, h, _ = self._shape
        rates = self._decays.expand(-1, self._weights.shape[1]).clone()
        rates[:, : d * h].view(-1, d, h)[:, :, -1] = 0.0
        return rates

    def _workspace(self, samples: int) -> _Workspace:
        _, h, c = self._shape
        networks = len(self._sizes)
        hidden, gradient = (torch.empty(networks, samples, h, device=self.device) for _ in range(2))
        return _Workspace(hidden, gradient, torch.empty(networks, samples, c, device=self.device))

    def _weight_samples(self) -> None:
        """Each active sample weighs 1 / (number of active samples of its network). Written in place: a captured
        CUDA graph reads this very tensor."""
        shares = self._active / self._active.sum(1, keepdim=True)
        if self._shares.shape != shares.shape:
            self._shares = shares
        else:
            self._shares.copy_(shares)

    # -- one epoch ---------------------------------------------------------------------------------------------------

    def _train_one_epoch(self) -> None:
        logits = self._forward(self._x, self._work_full)
        log_probabilities = torch.log_softmax(logits, -1)
        losses = (log_probabilities * self._targets).sum(-1).neg_()
        self._record(losses)
        if self._work_batch is None:
            self._backward(log_probabilities, self._x, self._targets, self._shares, self._work_full)
            self._update()
        else:
            self._train_batches(self._work_batch)

    def _record(self, losses: Tensor) -> None:
        mean = (losses * self._shares).sum(1)
        variance = ((losses - mean[:, None]).square_() * self._shares).sum(1)
        self._history.index_copy_(2, self._column, torch.stack([mean, variance]).unsqueeze(2))
        self._column += 1

    def _forward(self, x: Tensor, work: _Workspace) -> Tensor:
        torch.bmm(x, self._hidden, out=work.hidden).relu_()
        return torch.bmm(work.hidden, self._output, out=work.logits)

    def _backward(
        self, log_probabilities: Tensor, x: Tensor, targets: Tensor, shares: Tensor, work: _Workspace
    ) -> None:
        """Gradient of the mean cross-entropy over the active samples; `log_probabilities` is used up."""
        delta = log_probabilities.exp_().sub_(targets).mul_(shares.unsqueeze(2))
        torch.bmm(work.hidden.transpose(1, 2), delta, out=self._output_gradient)
        torch.bmm(delta, self._output.transpose(1, 2), out=work.hidden_gradient)
        torch.ops.aten.threshold_backward.grad_input(
            work.hidden_gradient, work.hidden, 0, grad_input=work.hidden_gradient
        )
        torch.bmm(x.transpose(1, 2), work.hidden_gradient, out=self._hidden_gradient)
        self._hidden_gradient[:, :, -1] = 0.0

    def _train_batches(self, work: _Workspace) -> None:
        """One pass over the active samples in mini-batches, each network in its own random order."""
        order = self._shuffled_order()
        batch = work.logits.shape[1]
        most = int(self._active.sum(1).max())
        for begin in range(0, most, batch):
            rows = order[:, begin : begin + batch]
            if rows.shape[1] < batch:  # the workspace has a fixed size: fill up with samples of weight zero
                rows = functional.pad(rows, (0, batch - rows.shape[1]))
            x = self._x.gather(1, rows.unsqueeze(2).expand(-1, -1, self._x.shape[2]))
            targets = self._targets.gather(1, rows.unsqueeze(2).expand(-1, -1, self._targets.shape[2]))
            inside = self._active.gather(1, rows)
            inside[:, max(0, order.shape[1] - begin) :] = 0.0
            count = inside.sum(1, keepdim=True)
            log_probabilities = torch.log_softmax(self._forward(x, work), -1)
            self._backward(log_probabilities, x, targets, inside / count.clamp(min=1.0), work)
            self._update(moving=count > 0)

    def _shuffled_order(self) -> Tensor:
        """(P, N) permutation of every network's samples with the active ones first."""
        keys = np.full(tuple(self._active.shape), 2.0)
        for p, (shuffle, size) in enumerate(zip(self._shuffles, self._sizes, strict=True)):
            keys[p, :size] = shuffle.random(size)
        keys += self._active.cpu().numpy() == 0.0
        return torch.from_numpy(keys.argsort(axis=1, kind="stable")).to(self.device)

    def _update(self, *, moving: Tensor | None = None) -> None:
        """One step of the optimizer as torch.optim defines it. moving: (P, 1) bool, networks that take the step;
        None: all do."""
        stays = None if moving is None else (self._weights.clone(), self._moment.clone(), self._square.clone())
        self._updates += 1 if moving is None else moving
        if self._decay_rates is not None:
            if self._optimizer == "adamw":
                self._weights.mul_(1.0 - self._rates * self._decay_rates)
            else:
                self._gradient.addcmul_(self._decay_rates, self._weights)
        if self._optimizer == "sgd":
            self._moment.mul_(self._momenta).add_(self._gradient)
            self._weights.addcmul_(self._moment, self._rates, value=-1.0)
        else:
            self._moment.lerp_(self._gradient, 1.0 - BETA_1)
            self._square.mul_(BETA_2).addcmul_(self._gradient, self._gradient, value=1.0 - BETA_2)
            size = (self._rates / (1.0 - BETA_1**self._updates)).float()
            scale = (1.0 - BETA_2**self._updates).sqrt_().float()
            self._weights.sub_((self._moment * size).div_(self._square.sqrt().div_(scale).add_(EPSILON)))
        if stays is not None and moving is not None:
            for now, before in zip((self._weights, self._moment, self._square), stays, strict=True):
                torch.where(moving, now, before, out=now)

    def _captured_epoch(self) -> torch.cuda.CUDAGraph:
        """One full-batch epoch as a CUDA graph, so that an epoch costs one launch instead of about thirty."""
        state = (self._weights, self._moment, self._square, self._updates, self._history, self._column)
        saved = [tensor.clone() for tensor in state]
        stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):  # capture needs warmed-up libraries and settled workspaces
            for _ in range(3):
                self._column.zero_()
                self._train_one_epoch()
        torch.cuda.current_stream(self.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._train_one_epoch()
        for tensor, before in zip(state, saved, strict=True):
            tensor.copy_(before)
        return graph
