"""Forward and backward passes of P small networks side by side, on weights that lie flat, (P, W).

Shape letters: P networks, B samples, D features + 1, H hidden units + 1, C classes. The features carry a last column of
ones, so that biases live inside the weight matrices.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fer_sweep.models.linear import LinearWeights
from fer_sweep.models.mlp import MlpWeights


class Layers(Protocol):
    """What a population needs to know of its networks. `weights` and `gradient` are flat, (P, W)."""

    def flatten(self, weights: MlpWeights | LinearWeights) -> Tensor:
        """(W,) flat weights of one network."""

    def unflatten(self, flat: Tensor, units: int) -> MlpWeights | LinearWeights:
        """The weights of one network with that many hidden units out of its (W,) flat ones."""

    def bind(self, weights: Tensor, gradient: Tensor) -> None:
        """Look at these flat tensors from now on."""

    def workspace(self, samples: int) -> "Workspace":
        """Buffers of one pass over that many samples per network."""

    def forward(self, x: Tensor, work: "Workspace") -> Tensor:
        """Logits (P, B, C) of x (P, B, D)."""

    def backward(self, delta: Tensor, x: Tensor, work: "Workspace") -> None:
        """Fill the gradient, given that of the logits, (P, B, C), after `forward` on the same x and work."""

    def predict(self, x: Tensor) -> Tensor:
        """Logits without touching any buffer."""

    def constant(self) -> Tensor:
        """(W,) bool: flat weights that are constants, not weights."""


@dataclass
class Workspace:
    """Buffers of one forward and backward pass over B samples per network: allocated once, used every epoch."""

    hidden: Tensor  # (P, B, H); empty without a hidden layer
    hidden_gradient: Tensor  # (P, B, H)
    logits: Tensor  # (P, B, C)


class MlpLayers:
    """One hidden layer of ReLU units.

    Two conventions keep the inner loop to three products forward and three back:
      * the last hidden unit is a constant one (its incoming weights are fixed at 0 but for the bias input, its gradient
        is zeroed), so the output's bias is a weight too;
      * narrower networks are padded with hidden units of weight zero, which stay zero: their activations are zero, so
        their outgoing gradient is, and their outgoing weights are zero, so their incoming gradient is.
    """

    def __init__(self, *, features: int, hidden_units: int, classes: int) -> None:
        self._shape = (features + 1, hidden_units + 1, classes)

    def flatten(self, weights: MlpWeights | LinearWeights) -> Tensor:
        assert isinstance(weights, MlpWeights)
        d, h, c = self._shape
        units = len(weights.hidden_bias)
        hidden, output = torch.zeros(d, h), torch.zeros(h, c)
        hidden[:-1, :units], hidden[-1, :units], hidden[-1, -1] = weights.hidden.T, weights.hidden_bias, 1.0
        output[:units], output[-1] = weights.output.T, weights.output_bias
        return torch.cat([hidden.flatten(), output.flatten()])

    def unflatten(self, flat: Tensor, units: int) -> MlpWeights:
        (hidden,), (output,) = self._matrices(flat[None])
        return MlpWeights(hidden[:-1, :units].T, hidden[-1, :units], output[:units].T, output[-1])

    def bind(self, weights: Tensor, gradient: Tensor) -> None:
        self._hidden, self._output = self._matrices(weights)
        self._hidden_gradient, self._output_gradient = self._matrices(gradient)

    def _matrices(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        d, h, c = self._shape
        return flat[:, : d * h].view(-1, d, h), flat[:, d * h :].view(-1, h, c)

    def workspace(self, samples: int) -> Workspace:
        networks, _, h = self._hidden.shape
        hidden, gradient = (self._hidden.new_empty(networks, samples, h) for _ in range(2))
        return Workspace(hidden, gradient, self._hidden.new_empty(networks, samples, self._shape[2]))

    def forward(self, x: Tensor, work: Workspace) -> Tensor:
        torch.bmm(x, self._hidden, out=work.hidden).relu_()
        return torch.bmm(work.hidden, self._output, out=work.logits)

    def backward(self, delta: Tensor, x: Tensor, work: Workspace) -> None:
        torch.bmm(work.hidden.transpose(1, 2), delta, out=self._output_gradient)
        torch.bmm(delta, self._output.transpose(1, 2), out=work.hidden_gradient)
        torch.ops.aten.threshold_backward.grad_input(
            work.hidden_gradient, work.hidden, 0, grad_input=work.hidden_gradient
        )
        torch.bmm(x.transpose(1, 2), work.hidden_gradient, out=self._hidden_gradient)
        self._hidden_gradient[:, :, -1] = 0.0

    def predict(self, x: Tensor) -> Tensor:
        return torch.bmm(torch.bmm(x, self._hidden).relu_(), self._output)

    def constant(self) -> Tensor:
        d, h, c = self._shape
        hidden = torch.zeros(d, h, dtype=torch.bool)
        hidden[:, -1] = True
        return torch.cat([hidden.flatten(), torch.zeros(h * c, dtype=torch.bool)])


class LinearLayer:
    """No hidden layer: softmax regression."""

    def __init__(self, *, features: int, classes: int) -> None:
        self._shape = (features + 1, classes)

    def flatten(self, weights: MlpWeights | LinearWeights) -> Tensor:
        assert isinstance(weights, LinearWeights)
        return torch.cat([weights.output.T, weights.output_bias[None]]).flatten()

    def unflatten(self, flat: Tensor, units: int) -> LinearWeights:
        output = flat.view(self._shape)
        return LinearWeights(output[:-1].T, output[-1])

    def bind(self, weights: Tensor, gradient: Tensor) -> None:
        self._output, self._output_gradient = (flat.view(-1, *self._shape) for flat in (weights, gradient))

    def workspace(self, samples: int) -> Workspace:
        nothing = self._output.new_empty(0)
        return Workspace(nothing, nothing, self._output.new_empty(len(self._output), samples, self._shape[1]))

    def forward(self, x: Tensor, work: Workspace) -> Tensor:
        return torch.bmm(x, self._output, out=work.logits)

    def backward(self, delta: Tensor, x: Tensor, work: Workspace) -> None:
        torch.bmm(x.transpose(1, 2), delta, out=self._output_gradient)

    def predict(self, x: Tensor) -> Tensor:
        return torch.bmm(x, self._output)

    def constant(self) -> Tensor:
        return torch.zeros(self._shape[0] * self._shape[1], dtype=torch.bool)
