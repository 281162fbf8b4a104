"""Handed out with lab 10: the loop over parameters, and the deep network of the race."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Tensor, nn


class Rule(torch.optim.Optimizer):
    """An optimiser by its rule for one parameter, `move`, which lab.py writes.

    Groups, each with numbers of its own, and the state that a checkpoint keeps are PyTorch's.
    """

    def __init__(self, params: Any, **numbers: Any) -> None:
        super().__init__(params, numbers)

    def move(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Move the parameter `p` by its gradient `g`, both of any shape."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient, once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, p.grad, self.state[p], group)
        return loss


class DeepNetwork(LightningModule):
    """Pixels, standardised → (Linear → ReLU), `depth` times → Linear → logits."""

    def __init__(
        self, *, features: int, width: int, depth: int, classes: int, start: Callable[[Tensor], Any]
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # training_step moves the weights itself
        sizes = [features, *[width] * depth, classes]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        for layer in self.layers:
            start(layer.weight)
            nn.init.zeros_(layer.bias)
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("std", torch.tensor(1.0))

    def forward(self, image: Tensor) -> Tensor:
        """The logits, float32 [B, C], of uint8 images [B, 1, H, W]."""
        x_BF = (  # a row of pixels for each image
            image.flatten(1).float() - self.mean
        ) / self.std
        for layer in self.layers[:-1]:
            x_BF = layer(x_BF).relu()
        return self.layers[-1](x_BF)

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """The logits, float32 [B, C], of a batch of raw items: what the lab is graded on."""
        return self(batch["image"])

    def on_fit_start(self) -> None:
        """Take the training images' mean and deviation into the model's buffers."""
        std, mean = torch.std_mean(self.trainer.datamodule.train["image"].float())
        self.mean.copy_(mean)
        self.std.copy_(std)

    def progress(self, optimizers: Sequence[Any]) -> tuple[int, int]:
        """The number of this step, from 0, and of all steps of the training."""
        done = self.trainer.global_step // len(optimizers)  # Lightning counts each optimiser's
        return done, int(self.trainer.estimated_stepping_batches)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Log `val/loss` and `val/accuracy` over the whole split."""
        logits_BC, label_B = self(batch["image"]), batch["label"]
        hits_B = (logits_BC.argmax(dim=1) == label_B).float()
        curves = {"val/loss": F.cross_entropy(logits_BC, label_B), "val/accuracy": hits_B.mean()}
        self.log_dict(curves, batch_size=len(label_B), sync_dist=True)
