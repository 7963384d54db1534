"""The population engine: many small networks trained as one batched program, on the CPU or on CUDA.

P networks of one kind, optimizer and batch size stand side by side in every tensor. Each has its own samples, learning
rates, initial weights and active-sample mask. Nothing here knows about trials, folds or removal rules.

Shape letters: P networks, N training samples (padded), D features + 1, C classes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from fer_sweep.models.mlp import MlpWeights
from fer_sweep.training.flat_optimizer import FlatOptimizer
from fer_sweep.training.layers import Layers, LinearLayer, MlpLayers, Workspace
from fer_sweep.training.member import Floats, Member, Weights, importance
from fer_sweep.training.observation import Judged
from fer_sweep.training.schedules import rates_until


class Population:
    """P networks that advance through the epochs together. `epoch` counts completed updates of every network."""

    def __init__(self, members: Sequence[Member], *, classes: int, epochs: int, device: torch.device) -> None:
        first = members[0].train
        assert all((m.train.optimizer, m.train.batch_size) == (first.optimizer, first.batch_size) for m in members)
        self.epoch = 0
        self.device = device
        self._batch_size = first.batch_size
        self._shuffles = [m.shuffle for m in members]
        self._sizes = [len(m.y) for m in members]
        self._evaluation_sizes = [[len(x) for x in m.evaluate] for m in members]
        self._layers = _layers(members, classes)
        self._units = [_hidden_units(m) for m in members]
        self._x = self._features([m.x for m in members])
        mirrored = [m.mirrored for m in members if m.mirrored is not None]
        assert len(mirrored) in (0, len(members)), "networks with and without mirrored pictures cannot share a batch"
        self._mirrored = self._features(mirrored) if mirrored else None
        self._evaluation = [self._features(list(sets)) for sets in zip(*(m.evaluate for m in members), strict=True)]
        self._targets, self._goals, self._active, self._importance = self._make_targets(members, classes)
        self._weights = self._active.clone()
        weights = torch.stack([self._layers.flatten(m.weights) for m in members]).to(device)
        self._optimizer = FlatOptimizer(first.optimizer, weights, [m.train for m in members], self._layers.constant())
        rates = np.stack([rates_until(max(epochs, 1), m.train, m.schedule) for m in members])
        self._schedule = torch.tensor(rates, dtype=torch.float32, device=device)
        self._rates = self._schedule[:, :1].clone()
        self._history = torch.full((2, len(members), epochs + 1), float("nan"), device=device)
        self._column = torch.zeros(1, dtype=torch.int64, device=device)  # where the next epoch is recorded
        self._allocate()

    # -- what the caller does between updates ------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._sizes)

    def advance(self, epochs: int) -> None:
        """Run `epochs` epochs without looking at anything."""
        if not self._shares_known:
            self._weigh_samples()
        for epoch in range(self.epoch, self.epoch + epochs):
            if self._scheduled:
                self._rates.copy_(self._schedule[:, epoch : epoch + 1])
            if self._graph is not None:
                self._graph.replay()
            else:
                self._train_one_epoch()
        self.epoch += epochs

    def errors(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Per-sample cross-entropy and half sum of squared errors of the current networks, (P, N) each, on all
        training samples; what stands in the padding means nothing."""
        log_probabilities = self._log_probabilities()
        cross_entropy = -(log_probabilities * self._targets).sum(-1)
        squares = 0.5 * (log_probabilities.exp() - self._targets).square().sum(-1)
        return cross_entropy.double().cpu().numpy(), squares.double().cpu().numpy()

    def recent(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """The cross-entropy of `errors`, and which training samples are predicted right, (P, N) each."""
        log_probabilities = self._log_probabilities()
        cross_entropy = -(log_probabilities * self._targets).sum(-1)
        right = log_probabilities.argmax(-1) == self._targets.argmax(-1)
        return cross_entropy.double().cpu().numpy(), right.cpu().numpy()

    def _log_probabilities(self) -> Tensor:
        return self._layers.forward(self._x, self._work_full).log_softmax(-1)

    def predict(self, part: int) -> list[Floats]:
        """Class probabilities (n, C) of every network on its evaluation set number `part`; -1 is the training set."""
        x = self._x if part < 0 else self._evaluation[part]
        probabilities = self._layers.predict(x).softmax(-1).cpu().numpy()
        sizes = self._sizes if part < 0 else [sizes[part] for sizes in self._evaluation_sizes]
        return [probabilities[p, :n] for p, n in enumerate(sizes)]

    def judge(self, part: int, truth: Sequence[npt.NDArray[np.int64]]) -> Judged:
        """How every network does on its evaluation set number `part`, whose classes are (n,) of `truth`."""
        return Judged.of(self.predict(part), truth)

    def weigh(self, network: int, weights: Floats) -> None:
        """(n,) what each training sample of one network weighs from now on; 0: it is not trained on."""
        self._weights[network, : len(weights)] = torch.from_numpy(weights).to(self.device)
        self._active[network] = (self._weights[network] > 0.0).float()
        self._shares_known = False  # worked out once for all networks that change at the same epoch

    def history(self) -> Floats:
        """(2, P, epoch) mean and variance of the active samples' cross-entropy at epochs 0..epoch-1."""
        return self._history[:, :, : self.epoch].cpu().numpy()

    def weights(self, network: int) -> Weights:
        """The fields of MlpWeights or LinearWeights of one network."""
        flat = self._optimizer.weights[network].cpu()
        fields = self._layers.unflatten(flat, self._units[network])._asdict()
        return {name: tensor.contiguous().numpy().copy() for name, tensor in fields.items()}

    def keep(self, networks: Sequence[int]) -> None:
        """Drop all networks but these; the rest go on as if they had been alone."""
        index = torch.tensor(networks, device=self.device)
        for name in ("_x", "_targets", "_goals", "_active", "_weights", "_importance", "_rates", "_schedule"):
            setattr(self, name, getattr(self, name).index_select(0, index))
        if self._mirrored is not None:
            self._mirrored = self._mirrored.index_select(0, index)
        self._optimizer.keep(index)
        self._evaluation = [x.index_select(0, index) for x in self._evaluation]
        self._history = self._history.index_select(1, index)
        self._sizes = [self._sizes[p] for p in networks]
        self._evaluation_sizes = [self._evaluation_sizes[p] for p in networks]
        self._shuffles = [self._shuffles[p] for p in networks]
        self._units = [self._units[p] for p in networks]
        self._allocate()

    # -- tensors -----------------------------------------------------------------------------------------------------

    def _make_targets(self, members: Sequence[Member], classes: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One-hot targets and smoothed goals (P, N, C), active samples and their importance (P, N)."""
        shape = (len(members), max(self._sizes))
        targets, goals = torch.zeros(*shape, classes), torch.zeros(*shape, classes)
        active, weight = torch.zeros(shape), torch.zeros(shape)
        for p, member in enumerate(members):
            n, smoothing = len(member.y), member.train.label_smoothing
            targets[p, :n] = functional.one_hot(torch.from_numpy(member.y.copy()), classes).float()
            goals[p, :n] = targets[p, :n] * (1.0 - smoothing) + smoothing / classes
            active[p, :n] = 1.0
            weight[p, :n] = torch.from_numpy(importance(member.train, member.y, classes))
        return targets.to(self.device), goals.to(self.device), active.to(self.device), weight.to(self.device)

    def _features(self, arrays: Sequence[Floats]) -> Tensor:
        features = torch.zeros(len(arrays), max(len(x) for x in arrays), arrays[0].shape[1] + 1)
        for p, x in enumerate(arrays):
            features[p, : len(x), :-1] = torch.from_numpy(x)
            features[p, : len(x), -1] = 1.0
        return features.to(self.device)

    def _allocate(self) -> None:
        self._layers.bind(self._optimizer.weights, self._optimizer.gradient)
        samples = self._x.shape[1]
        whole = self._batch_size == "full" and self._mirrored is None
        batch = samples if self._batch_size == "full" else self._batch_size
        self._work_full = self._layers.workspace(samples)
        self._work_batch = None if whole else self._layers.workspace(batch)
        self._scheduled = bool((self._schedule != self._schedule[:, :1]).any())
        self._shares = self._pulls = torch.empty(0, device=self.device)
        self._weigh_samples()
        self._graph = self._captured_epoch() if self.device.type == "cuda" and whole else None

    def _weigh_samples(self) -> None:
        """Each active sample counts 1 / (number of active samples) in the recorded loss, and pulls at the network by
        its share of the sum of weight times importance. Written in place: a captured CUDA graph reads these tensors."""
        self._shares_known = True
        pulls = self._weights * self._importance
        shares, pulls = self._active / self._active.sum(1, keepdim=True), pulls / pulls.sum(1, keepdim=True)
        if self._shares.shape != shares.shape:
            self._shares, self._pulls = shares, pulls
        else:
            self._shares.copy_(shares)
            self._pulls.copy_(pulls)

    # -- one epoch ---------------------------------------------------------------------------------------------------

    def _train_one_epoch(self) -> None:
        log_probabilities = torch.log_softmax(self._layers.forward(self._x, self._work_full), -1)
        self._record((log_probabilities * self._targets).sum(-1).neg_())
        if self._work_batch is None:
            self._learn(log_probabilities, self._x, self._goals, self._pulls, self._work_full)
            self._optimizer.step(self._rates)
        else:
            self._train_batches(self._work_batch)

    def _record(self, losses: Tensor) -> None:
        mean = (losses * self._shares).sum(1)
        variance = ((losses - mean[:, None]).square_() * self._shares).sum(1)
        self._history.index_copy_(2, self._column, torch.stack([mean, variance]).unsqueeze(2))
        self._column += 1

    def _learn(self, log_probabilities: Tensor, x: Tensor, goals: Tensor, pulls: Tensor, work: Workspace) -> None:
        """Gradient of the weighted mean cross-entropy; `log_probabilities` is used up."""
        self._layers.backward(log_probabilities.exp_().sub_(goals).mul_(pulls.unsqueeze(2)), x, work)

    def _train_batches(self, work: Workspace) -> None:
        """One pass over the active samples in mini-batches, each network in its own random order."""
        order, mirror = self._drawn_order()
        batch = work.logits.shape[1]
        most = int(self._active.sum(1).max())
        for begin in range(0, most, batch):
            rows = order[:, begin : begin + batch]
            if rows.shape[1] < batch:  # the workspace has a fixed size: fill up with samples of weight zero
                rows = functional.pad(rows, (0, batch - rows.shape[1]))
            x = _picked(self._x, rows)
            if mirror is not None and self._mirrored is not None:
                x = torch.where(mirror.gather(1, rows).unsqueeze(2), _picked(self._mirrored, rows), x)
            goals = _picked(self._goals, rows)
            inside = (self._weights * self._importance).gather(1, rows)
            inside[:, max(0, order.shape[1] - begin) :] = 0.0
            total = inside.sum(1, keepdim=True)
            log_probabilities = torch.log_softmax(self._layers.forward(x, work), -1)
            self._learn(log_probabilities, x, goals, inside / total.clamp(min=1e-12), work)
            moving = total > 0
            # a GPU would have to be waited for to know
            together = self.device.type == "cpu" and bool(moving.all())
            self._optimizer.step(self._rates, moving=None if together else moving)

    def _drawn_order(self) -> tuple[Tensor, Tensor | None]:
        """(P, N) permutation of every network's samples with the active ones first, and which samples are seen
        mirrored, if there are mirror images."""
        keys = np.full(tuple(self._active.shape), 2.0)
        mirror = np.zeros(keys.shape, dtype=np.bool_)
        for p, (shuffle, size) in enumerate(zip(self._shuffles, self._sizes, strict=True)):
            keys[p, :size] = shuffle.random(size)
            if self._mirrored is not None:
                mirror[p, :size] = shuffle.random(size) < 0.5
        keys += self._active.cpu().numpy() == 0.0
        order = torch.from_numpy(keys.argsort(axis=1, kind="stable")).to(self.device)
        return order, None if self._mirrored is None else torch.from_numpy(mirror).to(self.device)

    def _captured_epoch(self) -> torch.cuda.CUDAGraph:
        """One full-batch epoch as a CUDA graph, so that an epoch costs one launch instead of about thirty."""
        state = (*self._optimizer.state, self._history, self._column)
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


def _layers(members: Sequence[Member], classes: int) -> Layers:
    """The layers of networks that share a population."""
    features, units = members[0].x.shape[1], max(map(_hidden_units, members))
    if not units:
        return LinearLayer(features=features, classes=classes)
    return MlpLayers(features=features, hidden_units=units, classes=classes)


def _hidden_units(member: Member) -> int:
    return len(member.weights.hidden_bias) if isinstance(member.weights, MlpWeights) else 0


def _picked(values: Tensor, rows: Tensor) -> Tensor:
    """(P, B, K) of values (P, N, K) at rows (P, B)."""
    return values.gather(1, rows.unsqueeze(2).expand(-1, -1, values.shape[2]))
