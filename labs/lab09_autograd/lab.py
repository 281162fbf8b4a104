"""Lab 09: reverse-mode automatic differentiation, from one product to a network that learns.

Work through the TODOs from top to bottom. `pytest labs/lab09_autograd` checks them, `dllab hint 09
TASK` helps, `dllab train 09` lets your engine train a network on digits and grades the run.

The graph is of numbers first (Value), then of arrays (Tensor). A node knows its `parents`, which it
was computed from. Up to Model all is NumPy. B is items in a batch, F features, H hidden units, C
classes, and x_BF an array of shape [B, F].
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch

from dllab.data.module import SplitData

from .given import (
    Operations,
    Weights,
    gelu,
    identity,
    leaky_relu,
    relu,
    sigmoid,
    silu,
    tanh,
)

Node = TypeVar("Node", "Value", "Tensor")
Vjp = Callable[["Tensor"], "list[Tensor]"]
Layer = tuple["Tensor", "Tensor"]  # weight [in, out] and bias [out]


# 1. A graph of numbers ----------------------------------------------------------------------------


def topological(root: Node) -> list[Node]:
    """`root` and all nodes it was computed from, each once and after its parents: `root` is last.

    Serves Values and Tensors: nothing but `parents` is looked at.
    """
    # TODO topological: return the nodes as a list.
    # Several ways may lead to a node, and it is listed once. Graphs get thousands of nodes deep,
    # and Python gives up at a thousand nested calls: keep a stack of your own.
    raise NotImplementedError("TODO topological: return the nodes as a list.")


class Value:
    """A number that remembers what it was computed from.

    `slopes` are the derivatives with respect to `parents`, a float for each. `backward` sets
    `grad`.
    """

    def __init__(
        self, data: float, parents: tuple["Value", ...] = (), slopes: tuple[float, ...] = ()
    ) -> None:
        self.data, self.parents, self.slopes = data, parents, slopes
        self.grad = 0.0

    def __add__(self, other: "Value") -> "Value":
        """The sum: it grows as fast as each summand, so both slopes are 1."""
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def tanh(self) -> "Value":
        """The hyperbolic tangent, whose slope is 1 - tanh²."""
        y = math.tanh(self.data)
        return Value(y, (self,), (1 - y**2,))

    def __mul__(self, other: "Value") -> "Value":
        """The product."""
        # TODO value-mul: return the product, a Value.
        # As in __add__, its parents are both factors. How fast does it grow with each of them?
        raise NotImplementedError("TODO value-mul: return the product, a Value.")

    def backward(self) -> None:
        """Set `grad` of this value, and of all it was computed from, to the derivative of this one.

        The chain rule: what a node passes to a parent is its own grad times the slope.
        """
        # TODO value-backward: set the grad of all of topological(self).
        # All grads begin at 0, also when they hold something from an earlier call, and this one's
        # at 1. Then go from the result back to the inputs. A parent that is used several times
        # gets the sum of what its users pass to it.
        raise NotImplementedError("TODO value-backward: set the grad of all of topological(self).")


# 2. A graph of arrays -----------------------------------------------------------------------------


class Tensor(Operations):
    """An array that remembers what it was computed from.

    `data` holds floats, and cannot be written to. `vjp`, the vector-Jacobian product, maps the
    gradient of this tensor to a list of gradients, one for each of `parents`. It computes with
    Tensors, so that gradients can be differentiated again. `grad` is what `backward` has added up,
    for tensors that were computed from no others.
    """

    recording: ClassVar[bool] = True  # whether operations are remembered

    def __init__(self, data: Any, *, requires_grad: bool = False) -> None:
        self.requires_grad = requires_grad
        self.grad: Tensor | None = None
        self.parents: tuple[Tensor, ...] = ()
        self.vjp: Vjp | None = None
        # TODO frozen: set self.data, a NumPy array.
        # It is a copy of data (a number, list or array): float32 and float64 as they are, all else
        # as float64. An array's flags.writeable decides whether NumPy lets anyone change it.
        raise NotImplementedError("TODO frozen: set self.data, a NumPy array.")

    def lift(self, other: Any) -> "Tensor":
        """A number or array as a constant Tensor of this dtype; a Tensor as it is."""
        return other if isinstance(other, Tensor) else Tensor(np.asarray(other, self.data.dtype))

    @staticmethod
    def record(data: Any, parents: Sequence["Tensor"], vjp: Vjp) -> "Tensor":
        """The result of an operation. It remembers, if recording is on and a parent needs it to."""
        out = Tensor(data)
        if Tensor.recording and any(parent.requires_grad for parent in parents):
            out.requires_grad, out.parents, out.vjp = True, tuple(parents), vjp
        return out

    def __matmul__(self, other: Any) -> "Tensor":
        """The matrix product [..., n, k] @ [..., k, m] = [..., n, m]."""
        other = self.lift(other)
        # TODO matmul: return self.record(product, [self, other], vjp).
        # C = A B has the gradients G Bᵀ and Aᵀ G. `mT` transposes the last two dimensions.
        raise NotImplementedError("TODO matmul: return self.record(product, [self, other], vjp).")

    def sum(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> "Tensor":
        """The sum over one axis, over several, or over all, as NumPy's."""
        # TODO sum: return self.record(the sum, [self], vjp).
        # Each summand gets the gradient of its sum: the vjp returns a Tensor of self.shape. What
        # shape would g have, had the summed axes been kept? Times an array of ones it spreads.
        raise NotImplementedError("TODO sum: return self.record(the sum, [self], vjp).")

    def __getitem__(self, index: Any) -> "Tensor":
        """What NumPy's indexing picks: by numbers, slices, arrays of numbers or masks."""
        return self.record(self.data[index], [self], lambda g: [scatter(g, index, self.shape)])

    def backward(self) -> None:
        """Add the gradient of this tensor, a single number, to `grad` of each leaf."""
        accumulate(self)


def scatter(g: Tensor, index: Any, shape: tuple[int, ...]) -> Tensor:
    """The numbers of `g` at the places `index` of an array of `shape` that is 0 elsewhere.

    This is what indexing turns into on the way back. A place that was picked twice gets the sum.
    """
    # TODO indexing: return g.record(the array, [g], vjp).
    # NumPy's out[index] += values adds one value to each place, however often the index names it;
    # np.add.at(out, index, values) adds them all. The way back from scattering is indexing.
    raise NotImplementedError("TODO indexing: return g.record(the array, [g], vjp).")


# 3. The way back ----------------------------------------------------------------------------------


@contextmanager
def set_grad_enabled(on: bool) -> Iterator[None]:
    """In its `with` block operations are recorded if `on`; afterwards as they were before it."""
    # TODO grad-mode: set Tensor.recording, yield once, set it back.
    # Blocks are nested, and may end by an exception, which reaches you at the yield.
    raise NotImplementedError("TODO grad-mode: set Tensor.recording, yield once, set it back.")


def no_grad() -> AbstractContextManager[None]:
    """In its `with` block nothing is recorded."""
    return set_grad_enabled(False)


def unbroadcast(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The gradient of a tensor of `shape` that was broadcast to g.shape before it was used.

    Broadcasting repeats numbers, along new axes in front and along axes of length 1. A number that
    was used many times gets the sum of all its gradients.
    """
    # TODO unbroadcast: return a Tensor of this shape.
    # It is g itself where no axis was added or stretched. Use g.sum and g.reshape, not g.data:
    # this step, too, may be differentiated again.
    raise NotImplementedError("TODO unbroadcast: return a Tensor of this shape.")


def gradients(
    root: Tensor, upstream: Tensor, *, create_graph: bool = False
) -> dict[Tensor, Tensor]:
    """The gradient of sum(root * upstream) by each tensor it depends on that requires one.

    It is computed without recording, unless `create_graph`: then it can be differentiated again.
    """
    # TODO gradients: return a dict from nodes to their gradients.
    # root's is `upstream`. Visit the nodes from the result to the inputs: node.vjp maps the node's
    # gradient to one for each parent (a node without parents has no vjp). Undo broadcasting, and
    # add what reaches a parent by several ways. Parents that require none are left out.
    raise NotImplementedError("TODO gradients: return a dict from nodes to their gradients.")


def accumulate(loss: Tensor) -> None:
    """What loss.backward() does: add its gradient to `grad` of each leaf, a Tensor without parents.

    `grad` is None before the first call, and adds up until somebody sets it to None again.
    """
    if loss.data.size != 1 or not loss.requires_grad:
        raise RuntimeError("backward starts from one number that depends on a leaf")
    # TODO backward: add the gradient of loss to the grad of each leaf.
    # `gradients` finds them all. It begins with d loss / d loss, which is 1 (np.ones_like of the
    # data). The grad of Tensors with parents stays None.
    raise NotImplementedError("TODO backward: add the gradient of loss to the grad of each leaf.")


def grad(output: Tensor, inputs: Sequence[Tensor], *, create_graph: bool = False) -> list[Tensor]:
    """The gradient of sum(output) by each of `inputs`: 0 where it does not depend on one."""
    found = gradients(output, Tensor(np.ones_like(output.data)), create_graph=create_graph)
    return [found[x] if x in found else Tensor(np.zeros_like(x.data)) for x in inputs]


def hessian_vector(f: Callable[[Tensor], Tensor], x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """H v, of x's shape, for the Hessian H of `f` at `x`; `f` maps a Tensor to one number.

    H, the matrix of second derivatives, is never built: H v is the gradient of (∇f · v).
    """
    # TODO hessian-vector: return H v, a NumPy array.
    # Make a leaf of x, differentiate f by it so that the gradient can be differentiated again, and
    # do so.
    raise NotImplementedError("TODO hessian-vector: return H v, a NumPy array.")


def numeric_gradient(
    f: Callable[[np.ndarray], float], x: np.ndarray, step: float = 1e-5
) -> np.ndarray:
    """The gradient of `f` at `x` without any graph, float64 of x's shape: what tests an engine.

    Central differences, (f(x + h) - f(x - h)) / 2h, with h of size `step` in one place at a time.
    """
    # TODO finite-differences: return the slopes, a NumPy array.
    # np.ndindex(x.shape) yields all places. Leave x as it is: f gets arrays of its own.
    raise NotImplementedError("TODO finite-differences: return the slopes, a NumPy array.")


# 4. What networks are made of ---------------------------------------------------------------------


def selu(x: Tensor) -> Tensor:
    """Scale · x above 0, scale · alpha · (exp(x) - 1) up to 0 (Klambauer et al., 2017).

    Values and slopes are finite for any x.
    """
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    # TODO selu: return selu of x, a Tensor of x.shape.
    # exp overflows for large x, and 0 * inf is nan, on the way back as well: exp must never see
    # them. relu picks one side of 0; what picks the other?
    raise NotImplementedError("TODO selu: return selu of x, a Tensor of x.shape.")


ACTIVATIONS = {
    activation.__name__: activation
    for activation in (identity, relu, leaky_relu, tanh, sigmoid, silu, gelu, selu)
}


def dead_units(
    activation: Callable[[Tensor], Tensor], z_BH: np.ndarray, least: float = 0.0
) -> float:
    """The share of units through which no item of the batch can learn, from 0 to 1.

    `z_BH` is what the activation gets. A unit is dead when its slope there is at most `least` in
    size for every item: 0 finds dead ReLUs, 0.01 saturated sigmoids.
    """
    # TODO dead-units: return the share, a float.
    # Your engine knows the slopes: they are the gradient of the activations' sum.
    raise NotImplementedError("TODO dead-units: return the share, a float.")


def collapse(layers: Sequence[Layer]) -> Layer:
    """The one layer that computes what all of them do, without activations in between.

    A layer maps x to x @ weight + bias; weight is [in, out], bias [out] or [1, out].
    """
    # TODO collapse: return its weight [in, out] and its bias [1, out].
    # (x W₁ + b₁) W₂ + b₂ = x (W₁ W₂) + (b₁ W₂ + b₂). Matrix products want two dimensions, so make
    # [1, out] of a bias. There may be one layer, or many.
    raise NotImplementedError("TODO collapse: return its weight [in, out] and its bias [1, out].")


def cross_entropy(logits_BC: Tensor, label_B: np.ndarray) -> Tensor:
    """The mean of -log softmax(logits) at the labels, a Tensor []; finite for any finite logits.

    log softmax(z)_c = z_c - log Σ_k exp(z_k), and nothing changes when a constant is taken off z.
    """
    # TODO cross-entropy: return the loss, a Tensor [].
    # First take each row's largest logit off, as a constant, so that exp cannot overflow. Index
    # with two arrays, rows and labels, to pick one number of each row.
    raise NotImplementedError("TODO cross-entropy: return the loss, a Tensor [].")


# 5. A network that learns -------------------------------------------------------------------------


class Data(SplitData):
    """Digits in shuffled batches: uint8 images [B, 1, 8, 8] from 0 to 16, and int64 labels [B]."""


class Model(Weights):
    """Pixels → (Linear → activation) for each hidden size → Linear → logits, on your engine.

    PyTorch keeps the weights and moves them; NumPy computes the rest.
    """

    def __init__(self, *, activation: str = "relu", **numbers: Any) -> None:
        super().__init__(**numbers)
        self.activation = ACTIVATIONS[activation]

    def network(self, image: torch.Tensor, leaves: Sequence[Tensor]) -> Tensor:
        """The logits [B, C] of uint8 images [B, 1, 8, 8]; `leaves` are weight, bias, weight …"""
        x_BF = Tensor(image.flatten(1).cpu().numpy().astype(np.float32) / 16)
        *hidden, (weight, bias) = zip(leaves[::2], leaves[1::2], strict=True)
        for inner, shift in hidden:
            x_BF = self.activation(x_BF @ inner + shift)
        return x_BF @ weight + bias

    def predict(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The logits, float32 [B, C], of a batch of raw items: what the lab is graded on."""
        with no_grad():
            logits_BC = self.network(batch["image"], [Tensor(array) for array in self.arrays()])
        return torch.tensor(logits_BC.data, device=self.device)

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        """Take one step of gradient descent on a batch and log its loss as `train/loss`."""
        image, label_B = batch["image"], batch["label"].cpu().numpy()
        # TODO training-step: set loss [] and leaves, with their grad.
        # leaves are Tensors of self.arrays() that require a gradient, in that order, and
        # self.network makes the logits of image. All the rest is yours already.
        raise NotImplementedError("TODO training-step: set loss [] and leaves, with their grad.")
        self.descend([leaf.grad for leaf in leaves])
        self.log("train/loss", float(loss.data))

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        """Log `val/loss` and `val/accuracy`."""
        logits_BC, label_B = self.predict(batch), batch["label"]
        loss = cross_entropy(Tensor(logits_BC.cpu().numpy()), label_B.cpu().numpy())
        size = {"batch_size": len(label_B), "sync_dist": True}
        self.log("val/loss", torch.tensor(float(loss.data), device=self.device), **size)
        self.log("val/accuracy", (logits_BC.argmax(dim=1) == label_B).float().mean(), **size)
