"""Handed out with lab 09: operations, activations, and weights that PyTorch keeps.

Each operation records its result with `vjp`, a function from the gradient of the result to those of
its operands. It computes with Tensors, never with their arrays, so that gradients can be
differentiated again. The gradient of an operand that was broadcast may have the shape of the
result: `gradients` in lab.py undoes broadcasting for all operations.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from torch import nn


class Operations:
    """What a Tensor can do besides what you write. `data`, `lift` and `record` are Tensor's own."""

    data: np.ndarray
    lift: Callable[[Any], "Operations"]
    record: Callable[..., "Operations"]
    sum: Callable[..., "Operations"]
    __array_ufunc__ = None  # in `array * tensor`, NumPy leaves the product to the Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array."""
        return self.data.shape

    def __add__(self, other: Any) -> "Operations":
        other = self.lift(other)
        return self.record(self.data + other.data, [self, other], lambda g: [g, g])

    def __mul__(self, other: Any) -> "Operations":
        other = self.lift(other)
        return self.record(self.data * other.data, [self, other], lambda g: [g * other, g * self])

    def __pow__(self, exponent: float) -> "Operations":
        if exponent == 0:
            return self.lift(np.ones_like(self.data))  # flat, also at 0, where 0 * x**-1 is nan
        return self.record(
            self.data**exponent, [self], lambda g: [g * exponent * self ** (exponent - 1)]
        )

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> "Operations":
        return self * -1

    def __sub__(self, other: Any) -> "Operations":
        return self + -self.lift(other)

    def __rsub__(self, other: Any) -> "Operations":
        return self.lift(other) - self

    def __truediv__(self, other: Any) -> "Operations":
        return self * self.lift(other) ** -1

    def __rtruediv__(self, other: Any) -> "Operations":
        return self.lift(other) / self

    def exp(self) -> "Operations":
        """Euler's number to the power of each number, its own derivative."""
        out = self.record(np.exp(self.data), [self], lambda g: [g * out])
        return out

    def log(self) -> "Operations":
        """The natural logarithm, whose derivative is 1 / x."""
        return self.record(np.log(self.data), [self], lambda g: [g / self])

    def tanh(self) -> "Operations":
        """The hyperbolic tangent, whose derivative is 1 - tanh²."""
        out = self.record(np.tanh(self.data), [self], lambda g: [g * (1 - out * out)])
        return out

    def reshape(self, shape: tuple[int, ...]) -> "Operations":
        """The same numbers in another shape."""
        return self.record(self.data.reshape(shape), [self], lambda g: [g.reshape(self.shape)])

    @property
    def mT(self) -> "Operations":  # noqa: N802 - as in NumPy and PyTorch
        """The last two dimensions swapped."""
        return self.record(self.data.swapaxes(-1, -2), [self], lambda g: [g.mT])

    def mean(self, axis: Any = None, *, keepdims: bool = False) -> "Operations":
        """The mean over one axis, over several, or over all."""
        total = self.sum(axis, keepdims=keepdims)
        return total * (total.data.size / self.data.size)

    def __repr__(self) -> str:
        return f"Tensor({self.data})"


def identity(x: Operations) -> Operations:
    """No activation."""
    return x


def relu(x: Operations) -> Operations:
    """max(x, 0). Where it bends, at 0, its slope is called 0."""
    return x * (x.data > 0)


def leaky_relu(x: Operations) -> Operations:
    """A ReLU whose slope below 0 is 0.01."""
    return x * np.where(x.data > 0, 1.0, 0.01)


def tanh(x: Operations) -> Operations:
    """From -1 to 1."""
    return x.tanh()


def sigmoid(x: Operations) -> Operations:
    """1 / (1 + exp(-x)), from 0 to 1, by tanh, which does not overflow."""
    return 0.5 * (1 + (0.5 * x).tanh())


def silu(x: Operations) -> Operations:
    """Also called swish."""
    return x * sigmoid(x)


def gelu(x: Operations) -> Operations:
    """The approximation by tanh (Hendrycks and Gimpel, 2016)."""
    return 0.5 * x * (1 + (math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)).tanh())


class Weights(LightningModule):
    """Weights [in, out] and biases [out] that PyTorch keeps, and moves by gradients you bring."""

    def __init__(
        self,
        *,
        features: int = 64,
        hidden: Sequence[int] = (32, 16),
        classes: int = 10,
        lr: float = 0.05,
        momentum: float = 0.9,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # training_step calls descend
        self.lr, self.momentum = lr, momentum
        self.theta = nn.ParameterList()  # weight, bias, weight, bias …
        for fan_in, fan_out in pairwise([features, *hidden, classes]):
            self.theta.append(nn.Parameter(torch.randn(fan_in, fan_out) * (2 / fan_in) ** 0.5))
            self.theta.append(nn.Parameter(torch.zeros(fan_out)))

    def arrays(self) -> list[np.ndarray]:
        """The numbers as they are now: weight, bias, weight, bias … as float32."""
        return [parameter.detach().float().cpu().numpy() for parameter in self.theta]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Gradient descent with momentum."""
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)

    def descend(self, gradients: Sequence[Operations | None]) -> None:
        """Take one step along these Tensors, in the order of `arrays`.

        Lightning's manual_backward averages gradients over devices. It gets the sum of p g over all
        parameters p and their gradients g, whose gradient with respect to p is g.
        """
        if any(gradient is None for gradient in gradients):
            raise RuntimeError("a leaf has no grad: was loss.backward() called?")
        pairs = zip(self.theta, gradients, strict=True)
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(sum((p * torch.tensor(g.data).to(p)).sum() for p, g in pairs))
        optimizer.step()
