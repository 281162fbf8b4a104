"""Handed out with lab 11: few labels, functions whose gradient is by hand, and what is logged."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Tensor

from dllab.data.module import SplitData

Batch = dict[str, Tensor]


def by_hand(forward: Callable[..., Any], backward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function of x and options that autograd can use, made of its two halves.

    `forward(x, *options)` returns the result, and perhaps more tensors. `backward(g, *all_of_them)`
    turns g, the gradient with respect to the result, into the one with respect to x.
    """

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, *options: Any) -> Tensor:
            returned = forward(x, *options)
            ctx.save_for_backward(*returned)
            ctx.options = len(options)
            return returned[0]

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
            return backward(g, *ctx.saved_tensors), *[None] * ctx.options

    return ByHand.apply


class FewLabels(SplitData):
    """The first `per_class` items of each class, to learn from and to judge by; 0 takes all."""

    def __init__(self, *, per_class: int = 50, **splits: Any) -> None:
        super().__init__(**splits)
        self.per_class = per_class

    def setup(self, stage: str | None = None) -> None:
        """Load both splits, and leave out what goes beyond `per_class`."""
        super().setup(stage)
        if self.per_class:
            self.train, self.val = (_few(split, self.per_class) for split in (self.train, self.val))


def _few(split: Batch, per_class: int) -> Batch:
    label = split["label"]
    some = [(label == kind).nonzero()[:per_class, 0] for kind in label.unique()]
    return {name: values[torch.cat(some).sort().values] for name, values in split.items()}


class Watched(LightningModule):
    """A classifier of pictures that is judged after each epoch, and may be stopped by it.

    `stopping` is lab.py's EarlyStopping. When it stops, or the last epoch ends, the best weights
    come back; with a patience of 0 the last ones stay.
    """

    def __init__(self, stopping: Any, gap: Callable[..., Tensor]) -> None:
        super().__init__()
        self.stopping, self.gap = stopping, gap
        # Buffers are saved with the weights: whoever loads them can predict, without any data.
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("std", torch.tensor(1.0))

    def predict(self, batch: Batch) -> Tensor:
        """The logits, float32 [B, C], of a batch of raw items: what the lab is graded on."""
        return self(batch["image"])

    def on_fit_start(self) -> None:
        """Take the training images' mean and deviation into the model's buffers."""
        std, mean = torch.std_mean(self.trainer.datamodule.train["image"].float())
        self.mean.copy_(mean)
        self.std.copy_(std)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log `val/loss` and `val/accuracy` over the whole split; the loss is never smoothed."""
        logits_BC, label_B = self.predict(batch), batch["label"]
        hits_B = (logits_BC.argmax(dim=1) == label_B).float()
        curves = {"val/loss": F.cross_entropy(logits_BC, label_B), "val/accuracy": hits_B.mean()}
        self.log_dict(curves, batch_size=len(label_B), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Ask whether to stop; log `val/gap` and `zeros`, the share of weights that are 0."""
        trainer = self.trainer
        stop = self.stopping.update(float(trainer.callback_metrics["val/loss"]), self.state_dict())
        if self.stopping.patience and (stop or trainer.current_epoch + 1 == trainer.max_epochs):
            self.load_state_dict(self.stopping.best)
        trainer.should_stop = trainer.should_stop or stop
        data = trainer.datamodule
        train, val = (
            {name: values.to(self.device) for name, values in split.items()}
            for split in (data.train, data.val)
        )
        weights = torch.cat([p.detach().flatten() for p in self.parameters() if p.dim() > 1])
        shares = {"val/gap": self.gap(self, train, val), "zeros": (weights == 0).float().mean()}
        self.log_dict(shares, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the memory of `stopping`, so that a resumed run stops where a whole one does."""
        checkpoint["stopping"] = vars(self.stopping)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the memory back."""
        vars(self.stopping).update(checkpoint["stopping"])
