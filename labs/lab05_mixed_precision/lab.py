"""Lab 05: mixed precision by hand, from the list of operations to the step that skips itself.

Work through the TODOs from top to bottom. `pytest labs/lab05_mixed_precision` checks them, `dllab
hint 05 TASK` helps, `dllab train 05` trains in three precisions and grades the run.

Shapes stand in the names: B images, C classes.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dllab.data.module import SplitData


def precision_of(operation: str, low: torch.dtype) -> torch.dtype | None:
    """The dtype in which an operation computes; None stands for that of its inputs.

    Products of matrices bring the speed, and bear rounding well: linear, matmul, bmm, conv2d.
    Sums of many terms, exponentials and logarithms need range and precision: softmax, log_softmax,
    layer_norm, batch_norm, cross_entropy, nll_loss, mse_loss, exp, log, sum.
    Everything else (relu, add, reshape, …) takes what it gets.
    """
    # TODO keep-list: return `low`, torch.float32 or None.
    raise NotImplementedError("TODO keep-list: return `low`, torch.float32 or None.")


def cast(value: Any, dtype: torch.dtype) -> Any:
    """`value` with every floating-point tensor in it as `dtype`; gradients flow through."""
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, tuple | list):
        return type(value)(cast(part, dtype) for part in value)
    return value


class Autocast(TorchFunctionMode):
    """`with Autocast(torch.bfloat16):` every operation computes in the precision it deserves.

    PyTorch hands each operation that is called in the block to `__torch_function__` instead.
    Parameters stay as they are, in float32: what is cast is only what an operation reads.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call `func(*args, **kwargs)`, its floating-point inputs cast as `precision_of` says."""
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        # TODO autocast: cast the inputs, return func's result.
        # `cast` above takes a tuple or a single value. Tensors come in args and in kwargs.
        raise NotImplementedError("TODO autocast: cast the inputs, return func's result.")


def mixed_loss(net: nn.Module, x_BD: Tensor, label_B: Tensor, dtype: torch.dtype) -> Tensor:
    """The mean cross-entropy of a batch, float32 [], computed in mixed precision."""
    # TODO region: return the loss.
    # Network and loss belong into the block. The backward pass does not: every operation's
    # gradient has the precision of its forward pass anyway.
    raise NotImplementedError("TODO region: return the loss.")


class LossScaler:
    """Dynamic loss scaling (Micikevicius et al., 2018): keeps small gradients above underflow.

    The loss is multiplied by `scale` before the backward pass, and so is every gradient. After
    `interval` good steps in a row the scale grows, after a step that overflowed it backs off.
    """

    def __init__(
        self,
        scale: float = 2.0**16,
        growth: float = 2.0,
        backoff: float = 0.5,
        interval: int = 2000,
    ) -> None:
        self.scale, self.growth, self.backoff, self.interval = scale, growth, backoff, interval
        self.good_steps = 0

    @torch.no_grad()
    def unscale(self, parameters: Iterable[Tensor]) -> bool:
        """Divide all gradients by the scale, in place, and tell whether every one is finite."""
        # TODO unscale: change the gradients, return a bool.
        # A parameter without a gradient has grad None. One inf or nan anywhere spoils the step.
        # `parameters` may be a generator, which can be passed over only once.
        raise NotImplementedError("TODO unscale: change the gradients, return a bool.")

    def update(self, finite: bool) -> None:
        """Move the scale after a step. `finite` says whether its gradients were."""
        # TODO update: set self.scale and self.good_steps.
        # An overflow multiplies the scale by `backoff` and ends the row of good steps. A row of
        # `interval` good steps multiplies it by `growth`, and the next row begins.
        raise NotImplementedError("TODO update: set self.scale and self.good_steps.")


def step(
    loss: Tensor,
    parameters: Sequence[Tensor],
    optimizer: torch.optim.Optimizer,
    scaler: LossScaler,
    max_norm: float,
) -> bool:
    """Differentiate a loss and move the parameters; False if the step was skipped.

    The gradients that the optimiser sees are those of the loss itself, clipped to `max_norm`.
    """
    optimizer.zero_grad()
    # TODO step: scale, differentiate, unscale, clip, step, update.
    # Return whether all was finite. nn.utils.clip_grad_norm_(parameters, max_norm) clips. When a
    # gradient is not finite, the optimiser must not step, but the scaler must learn of it.
    raise NotImplementedError("TODO step: scale, differentiate, unscale, clip, step, update.")


class MasterWeights:
    """An optimiser for parameters that are themselves 16 bits wide.

    bfloat16 has 8 significant bits: 1 + 0.003 is 1 again, and a weight that is moved by less never
    moves. So the optimiser moves copies in float32, and the parameters are rounded from those.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        make_optimizer: Callable[[list[Tensor]], torch.optim.Optimizer],
    ) -> None:
        self.low = list(parameters)
        # TODO master-copies: set self.high, a list of float32 copies.
        # They have a life of their own: no gradient flows back to the parameters, and moving one
        # must not move the other, not even where a parameter is float32 already.
        raise NotImplementedError("TODO master-copies: set self.high, a list of float32 copies.")
        self.optimizer = make_optimizer(self.high)

    def zero_grad(self) -> None:
        """Clear the gradients of the parameters, as an optimiser of theirs would."""
        for low in self.low:
            low.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the copies by the gradients of the parameters, then round the parameters anew."""
        # TODO master-step: step self.optimizer, then write to self.low.
        # The optimiser reads high.grad, in float32; where low.grad is None, so is high.grad.
        # Clearing low.grad is left to zero_grad.
        raise NotImplementedError("TODO master-step: step self.optimizer, then write to self.low.")


def exponents(parameters: Iterable[Tensor]) -> dict[str, float]:
    """How large gradients are: for each power of four the share of those up to it, and above the
    one before; and the share of zeros. float16 has nothing between 0 and 2^-24.
    """
    sizes = torch.cat([p.grad.flatten().float() for p in parameters if p.grad is not None]).abs()
    powers = range(-44, -11, 2)
    above = [(sizes > 2.0**power).float().mean() for power in powers]
    shares = {"gradients/0": float((sizes == 0).float().mean())}
    for power, (low, high) in zip(powers[1:], pairwise(above), strict=True):
        shares[f"gradients/2^{power}"] = float(low - high)
    return shares


class Data(SplitData):
    """Fashion-MNIST in batches: what you wrote in labs 01 and 02, as the library has it."""


class Model(LightningModule):
    """A perceptron with a layer norm, trained by your own `step` in the precision you name.

    A batch counts as one of 1 / `loss_weight` that a step averages over, as in large training
    runs: its gradients are that much smaller, and the rate and `max_norm` make up for it.
    `weights` is the dtype of the parameters. If that has 16 bits, `masters` asks for float32
    copies; `scaling` asks for a scaled loss in float16.
    """

    def __init__(
        self,
        *,
        precision: str = "bfloat16",
        weights: str = "float32",
        scaling: bool = True,
        masters: bool = True,
        loss_weight: float = 2.0**-16,
        features: int = 784,
        widths: Sequence[int] = (128, 128),
        classes: int = 10,
        lr: float = 0.1,
        momentum: float = 0.9,
        max_norm: float = 1.0,
        growth_interval: int = 10,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # the step is yours
        self.dtype_low = getattr(torch, precision)
        self.lr, self.momentum, self.max_norm = lr, momentum, max_norm
        self.loss_weight = loss_weight
        # bfloat16 has the range of float32 and needs no scale; the scaler still skips bad steps.
        scaled = scaling and self.dtype_low == torch.float16
        scale, growth = (2.0**16, 2.0) if scaled else (1.0, 1.0)
        self.scaler = LossScaler(scale, growth=growth, interval=growth_interval)
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise([features, *widths]):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        self.net = nn.Sequential(
            *layers[:-1], nn.LayerNorm(widths[-1]), nn.ReLU(), nn.Linear(widths[-1], classes)
        ).to(getattr(torch, weights))
        self.has_masters = masters and weights != "float32"
        self.masters: MasterWeights | None = None  # made with the optimiser
        self.resumed: list[Tensor] = []

    def inputs(self, image_BCHW: Tensor) -> Tensor:
        """Pixels as float32 [B, features], about 0 and of size 1."""
        return (image_BCHW.flatten(1).float() - 73.0) / 90.0  # fitted on the training images

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """The logits, float32 [B, classes], of raw items: what the lab is graded on."""
        with Autocast(self.dtype_low):
            logits_BC = self.net(self.inputs(batch["image"]))
        return logits_BC.float()

    def configure_optimizers(self) -> dict[str, Any]:
        """Gradient descent with momentum; the rate falls to 0 in a line."""

        def descent(parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
            return torch.optim.SGD(parameters, self.lr / self.loss_weight, self.momentum)

        if self.has_masters:
            self.masters = MasterWeights(self.net.parameters(), descent)
            for high, kept in zip(self.masters.high, self.resumed, strict=False):
                high.copy_(kept)
        optimizer = self.masters.optimizer if self.masters else descent(self.net.parameters())
        steps = int(self.trainer.estimated_stepping_batches)
        fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
        return {"optimizer": optimizer, "lr_scheduler": fall}

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """One step of yours; logs the scale, 1 for a skipped step, and how large gradients are."""
        loss = mixed_loss(self.net, self.inputs(batch["image"]), batch["label"], self.dtype_low)
        optimizer = self.optimizers()
        if self.masters:
            self.masters.optimizer, optimizer = optimizer, self.masters
        parameters = list(self.net.parameters())
        most = self.loss_weight * self.max_norm
        stepped = step(self.loss_weight * loss, parameters, optimizer, self.scaler, most)
        self.lr_schedulers().step()
        self.log("train/loss", loss)
        self.log_dict({"train/scale": self.scaler.scale, "train/skipped": float(not stepped)})
        if self.trainer.is_last_batch and self.logger:
            self.logger.log_metrics(exponents(parameters), self.global_step)
        return loss.detach()

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Log `val/loss` and `val/accuracy` over the whole split."""
        logits_BC, label_B = self.predict(batch), batch["label"]
        hits_B = (logits_BC.argmax(dim=1) == label_B).float()
        curves = {"val/loss": F.cross_entropy(logits_BC, label_B), "val/accuracy": hits_B.mean()}
        self.log_dict(curves, batch_size=len(label_B), sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Scaler and master copies belong to the run: a resumed one must go on with them."""
        checkpoint["scaler"] = {"scale": self.scaler.scale, "good_steps": self.scaler.good_steps}
        checkpoint["masters"] = self.masters.high if self.masters else []

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the state of both back."""
        for name, value in checkpoint["scaler"].items():
            setattr(self.scaler, name, value)
        self.resumed = checkpoint["masters"]
