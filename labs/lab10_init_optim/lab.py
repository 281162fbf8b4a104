"""Lab 10: where the weights begin, how they move, and how far: initialisation and optimisers.

Work through the TODOs from top to bottom. `pytest labs/lab10_init_optim` checks them, `dllab hint
10 TASK` helps, `dllab train 10` sends your optimisers into a race: a network of twenty hidden
layers, and few epochs.

In a rule, p is a parameter, g its gradient, and `state` a dict that remembers what you put there
until this parameter's next step; a checkpoint keeps it. `group` holds the numbers of the call,
such as group["lr"]. Gradients are off. B is items in a batch, C classes.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.data.module import SplitData

from .given import DeepNetwork, Rule

Numbers = dict[str, Any]

# 1. Where the weights begin -----------------------------------------------------------------------


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """How many inputs an output sums over, fan_in, and how many outputs an input goes to, fan_out.

    `shape` is that of a weight: [out, in] of a linear layer, [out, in, *kernel] of a convolution.
    """
    # TODO fans: return fan_in and fan_out, two ints.
    # In a convolution each output sums over all inputs at every place of the kernel, and each
    # input goes to all outputs, once for every place.
    raise NotImplementedError("TODO fans: return fan_in and fan_out, two ints.")


@torch.no_grad()
def xavier(weight: Tensor) -> None:
    """Fill `weight`, float [out, in, …], for layers without ReLU (Glorot and Bengio, 2010).

    Uniform, with mean 0 and variance 2 / (fan_in + fan_out).
    """
    # TODO xavier: fill weight in place.
    # The variance of a uniform distribution from -a to a is a² / 3. `weight.uniform_(low, high)`
    # draws.
    raise NotImplementedError("TODO xavier: fill weight in place.")


@torch.no_grad()
def he(weight: Tensor) -> None:
    """Fill `weight`, float [out, in, …], for layers with ReLU (He et al., 2015).

    Normal, with mean 0 and variance 2 / fan_in.
    """
    # TODO he: fill weight in place.
    # `weight.normal_(mean, deviation)` draws. A deviation is the root of a variance.
    raise NotImplementedError("TODO he: fill weight in place.")


def uniform(weight: Tensor) -> None:
    """What torch.nn.Linear does by itself: variance 1 / (3 fan_in)."""
    torch.nn.init.kaiming_uniform_(weight, a=math.sqrt(5))


# 2. How they move ---------------------------------------------------------------------------------


class SGD(Rule):
    """Gradient descent with momentum (Polyak, 1964), that of Nesterov if asked for; as torch's.

    Weight decay, here, is part of the gradient: wd · p, the slope of wd/2 · p².
    """

    def __init__(
        self,
        params: Any,
        lr: float,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        numbers = {"momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}
        super().__init__(params, lr=lr, **numbers)

    def move(self, p: Tensor, g: Tensor, state: Numbers, group: Numbers) -> None:
        """Take one step: p ← p - lr · v, where v ← momentum · v + g."""
        # TODO sgd: move p in place, and keep the velocity v in state.
        # First weight_decay · p joins g. v begins at 0. With group["nesterov"] the step is along
        # g + momentum · v, v being the new one. `p = p - …` would move nothing: p -= … does.
        raise NotImplementedError("TODO sgd: move p in place, and keep the velocity v in state.")


class RMSProp(Rule):
    """Each number's step is divided by the size its gradient usually has (Hinton, 2012)."""

    def __init__(self, params: Any, lr: float, alpha: float = 0.99, eps: float = 1e-8) -> None:
        super().__init__(params, lr=lr, alpha=alpha, eps=eps)

    def move(self, p: Tensor, g: Tensor, state: Numbers, group: Numbers) -> None:
        """Take one step: p ← p - lr · g / (√s + eps), where s ← alpha · s + (1 - alpha) · g²."""
        # TODO rmsprop: move p in place, and keep s in state.
        # s, the mean square, begins at 0. Note where eps stands.
        raise NotImplementedError("TODO rmsprop: move p in place, and keep s in state.")


class AdamW(Rule):
    """Momentum over RMSProp, both unbiased; decay of its own (Loshchilov and Hutter, 2019)."""

    def __init__(
        self,
        params: Any,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay)

    def move(self, p: Tensor, g: Tensor, state: Numbers, group: Numbers) -> None:
        """Take one step: p ← p - lr · wd · p, then p ← p - lr · m̂ / (√ŝ + eps).

        m and s are running means of g and g². They begin at 0, which pulls them there: after t
        steps they hold 1 - βᵗ of a mean, and m̂ = m / (1 - β₁ᵗ), ŝ = s / (1 - β₂ᵗ) undo that.
        """
        # TODO adamw: move p in place, and keep m, s and t in state.
        # m ← β₁ m + (1 - β₁) g, and s with β₂ and g². The first step has t = 1. The decay neither
        # enters g, nor is it divided by √ŝ.
        raise NotImplementedError("TODO adamw: move p in place, and keep m, s and t in state.")


def newton_schulz(g: Tensor, steps: int = 5) -> Tensor:
    """Nearly the matrix U Vᵀ of g = U S Vᵀ, float [n, m]: all singular values come close to 1.

    No SVD is needed: X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X does the same to each of them,
    s ← a s + b s³ + c s⁵. a, b, c are those of Jordan et al., 2024.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    # TODO newton-schulz: return a matrix of g's shape and dtype.
    # Divide g by its Frobenius norm (+ 1e-7) first, then no singular value is above 1. X Xᵀ is
    # [n, n], and comes in twice.
    raise NotImplementedError("TODO newton-schulz: return a matrix of g's shape and dtype.")


class Muon(Rule):
    """Momentum whose steps are made orthogonal: for the matrices of hidden layers, [out, in] only.

    Jordan et al., 2024. Adam's step has the size lr in each number; this one, in each direction.
    """

    def __init__(
        self, params: Any, lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay)

    def move(self, p: Tensor, g: Tensor, state: Numbers, group: Numbers) -> None:
        """Take one step: p ← p - lr · wd · p, then p ← p - lr · √max(1, out / in) · O.

        O is the orthogonalised Nesterov step: v ← μ v + (1 - μ) g, and (1 - μ) g + μ v goes in.
        """
        # TODO muon: move p in place, and keep the velocity v in state.
        # v begins at 0, μ is group["momentum"], and newton_schulz orthogonalises.
        raise NotImplementedError("TODO muon: move p in place, and keep the velocity v in state.")


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """How many bytes the optimiser's memory takes: all tensors in its state."""
    # TODO state-bytes: return the number of bytes, an int.
    # optimizer.state maps each parameter to its dict; numbers that are no tensors do not count. A
    # tensor has numel() numbers of element_size() bytes.
    raise NotImplementedError("TODO state-bytes: return the number of bytes, an int.")


# 3. How far: the learning rate --------------------------------------------------------------------


def warmup_cosine(step: int, steps: int, warmup: int) -> float:
    """The share of the peak rate at `step`, from 0 to steps - 1, in (0, 1].

    It climbs along a line over the first `warmup` steps, the last of which has the whole rate, and
    then falls along half a cosine, which would be 0 at `steps`.
    """
    # TODO warm-up: return the share of this step, a float.
    # The first step must not have rate 0. After the warm-up the share is (1 + cos πp) / 2, where p
    # goes from 0 at step `warmup` to 1 at `steps`.
    raise NotImplementedError("TODO warm-up: return the share of this step, a float.")


def restarts(step: int, period: int, growth: int = 2) -> float:
    """The share of the peak rate at `step`: half a cosine, again and again (SGDR, 2017).

    The first takes `period` steps, and each following one `growth` times as many; each begins at 1.
    """
    # TODO restarts: return the share of this step, a float.
    # Take whole periods off the step until it lies within one.
    raise NotImplementedError("TODO restarts: return the share of this step, a float.")


def set_rates(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Set the rate of each group to this share of its peak, the rate it was made with.

    The peak is kept as group["initial_lr"], since group["lr"] is overwritten.
    """
    # TODO set-rate: set the rate of each group.
    # The groups are optimizer.param_groups, dicts. In the first call there is no "initial_lr" yet.
    raise NotImplementedError("TODO set-rate: set the rate of each group.")


def range_test(
    loss_at: Callable[[float], float], low: float, high: float, count: int
) -> tuple[list[float], list[float]]:
    """Try rising rates on one training, a step each: the rates, and the losses (Smith, 2017).

    `loss_at(rate)` takes a step with this rate and returns the loss that it was taken at. The i-th
    of `count` rates is low · (high / low)^(i / (count - 1)), so that each is as many times the one
    before. The test ends early, without the last loss, when that is not finite or above four times
    the least one so far.
    """
    # TODO range-test: return the rates and their losses, two lists.
    # Take no step after the end. math.isfinite tells; nan is not above anything.
    raise NotImplementedError("TODO range-test: return the rates and their losses, two lists.")


def pick_rate(rates: Sequence[float], losses: Sequence[float], beta: float = 0.8) -> float:
    """A tenth of the rate at which the smoothed loss is least.

    Smoothed is the running mean of AdamW: m ← β m + (1 - β) loss, from 0 on, divided by 1 - βᵗ.
    """
    # TODO pick-rate: return the rate, a float.
    # Without the division the first losses would look small, and the first rate would win.
    raise NotImplementedError("TODO pick-rate: return the rate, a float.")


# 4. The race --------------------------------------------------------------------------------------


class Data(SplitData):
    """Fashion-MNIST in shuffled batches: uint8 images [B, 1, 28, 28] and int64 labels [B]."""


class Model(DeepNetwork):
    """Twenty hidden layers, which learn only from a good start, and a choice of optimisers."""

    def __init__(
        self,
        *,
        features: int = 784,
        width: int = 64,
        depth: int = 20,
        classes: int = 10,
        init: str = "he",
        optimizer: str = "muon",
        schedule: str = "cosine",
        lr: float = 0.005,
        adamw_lr: float = 0.002,
        weight_decay: float = 0.01,
        warmup: int = 50,
    ) -> None:
        start = {"he": he, "xavier": xavier, "uniform": uniform}[init]
        shape = {"features": features, "width": width, "depth": depth, "classes": classes}
        super().__init__(**shape, start=start)
        self.optimizer, self.schedule, self.warmup = optimizer, schedule, warmup
        self.lr, self.adamw_lr, self.weight_decay = lr, adamw_lr, weight_decay

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """The rules of this race; together they move every parameter."""
        if self.optimizer == "muon":
            return self.divided()
        lr, decay, everything = self.lr, self.weight_decay, self.parameters()
        if self.optimizer == "adamw":
            return [AdamW(everything, lr, weight_decay=decay)]
        if self.optimizer == "rmsprop":
            return [RMSProp(everything, lr)]
        momentum = 0.9 if self.optimizer == "momentum" else 0.0
        return [SGD(everything, lr, momentum, nesterov=momentum > 0, weight_decay=decay)]

    def divided(self) -> list[torch.optim.Optimizer]:
        """Muon for the hidden matrices, AdamW for all else."""
        # TODO divided: return [Muon(…), AdamW(…)].
        # self.layers holds nn.Linear layers. Muon gets the weights of all but the first and the
        # last one, with self.lr; AdamW those two and every bias, with self.adamw_lr. Both get
        # self.weight_decay.
        raise NotImplementedError("TODO divided: return [Muon(…), AdamW(…)].")

    def share(self, step: int, steps: int) -> float:
        """The share of the peak rates at this step of all."""
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "restarts":
            return restarts(step, max(1, steps // 7))  # 1 + 2 + 4 sevenths
        return warmup_cosine(step, steps, min(self.warmup, steps // 2))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Take one step on a batch with every optimiser, and log its loss as `train/loss`."""
        found = self.optimizers()
        optimizers = found if isinstance(found, list) else [found]
        # TODO training-step: set loss [] and move the weights one step.
        # The loss is F.cross_entropy of self(batch["image"]); self.manual_backward(loss) is its
        # backward. self.progress(optimizers) is the pair that self.share takes: the number of this
        # step, and of all. Every optimiser gets the rates of this step, clears what is left in
        # the gradients, and steps.
        raise NotImplementedError("TODO training-step: set loss [] and move the weights one step.")
        self.log("train/loss", loss)
