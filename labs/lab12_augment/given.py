"""Handed out with lab 12: a hundred labels, and a network that is judged by plain pictures."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Tensor, nn

from dllab.data.module import SplitData

Batch = dict[str, Tensor]
WHITE = 16  # the digits' pixels are from 0 to 16


def pixels(image: Tensor) -> Tensor:
    """The pixels as float32 from 0 to 1."""
    return image.float() / WHITE


def one_hot(label_B: Tensor, classes: int) -> Tensor:
    """Labels as probabilities: 1 at the label, 0 elsewhere, float32 [B, classes]."""
    return F.one_hot(label_B, classes).float()


class FewLabels(SplitData):
    """The first `per_class` training items of each class, `repeats` times an epoch; 0 takes all."""

    def __init__(self, *, per_class: int = 10, repeats: int = 20, **splits: Any) -> None:
        super().__init__(**splits)
        self.per_class, self.repeats = per_class, repeats

    def setup(self, stage: str | None = None) -> None:
        """Load both splits, and leave out training items beyond `per_class`."""
        super().setup(stage)
        if self.per_class:
            label = self.train["label"]
            some = [(label == kind).nonzero()[: self.per_class, 0] for kind in label.unique()]
            index = torch.cat(some).sort().values.repeat(self.repeats)
            self.train = {name: values[index] for name, values in self.train.items()}


class Classifier(LightningModule):
    """Three convolutions with batch norm, then a linear layer, for pictures of 8 by 8 pixels.

    `loss` takes logits [B, C] and targets [B, C]. A training batch holds "image", float, and
    "target"; those of validation are raw.
    """

    def __init__(
        self,
        *,
        loss: Callable[[Tensor, Tensor], Tensor],
        width: int = 16,
        classes: int = 10,
        lr: float = 0.003,
        weight_decay: float = 0.05,
    ) -> None:
        super().__init__()
        self.loss, self.classes = loss, classes
        self.lr, self.weight_decay = lr, weight_decay

        def layer(fan_in: int, fan_out: int, stride: int) -> list[nn.Module]:
            conv = nn.Conv2d(fan_in, fan_out, 3, stride, padding=1, bias=False)
            return [conv, nn.BatchNorm2d(fan_out), nn.ReLU()]

        body = [*layer(1, width, 1), *layer(width, 2 * width, 2), *layer(2 * width, 2 * width, 2)]
        self.net = nn.Sequential(*body, nn.Flatten(), nn.Linear(8 * width, classes))

    def forward(self, image: Tensor) -> Tensor:
        """The logits, float32 [B, classes], of float pictures [B, 1, 8, 8]."""
        return self.net(image)

    def predict(self, batch: Batch) -> Tensor:
        """The logits, float32 [B, classes], of a batch of raw items: what the lab is graded on."""
        return self(pixels(batch["image"]))

    def generator(self) -> torch.Generator:
        """A generator on the model's device, its seed made of the run's, the rank and the step.

        So a run that is resumed draws what it would have drawn.
        """
        rank, step = self.global_rank, self.trainer.global_step
        seed = (torch.initial_seed() * 1_000_003 + rank) * 1_000_003 + step
        return torch.Generator(self.device).manual_seed(seed % 2**63)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW, its rate on one cycle over the training."""
        optimizer = torch.optim.AdamW(self.parameters(), self.lr, weight_decay=self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.lr, steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": cycle, "interval": "step"},
        }

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a varied batch, float32 []."""
        loss = self.loss(self(batch["image"]), batch["target"])
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log `val/loss` and `val/accuracy` over the whole split."""
        logits_BC, label_B = self.predict(batch), batch["label"]
        hits_B = (logits_BC.argmax(dim=1) == label_B).float()
        curves = {"val/loss": F.cross_entropy(logits_BC, label_B), "val/accuracy": hits_B.mean()}
        self.log_dict(curves, batch_size=len(label_B), sync_dist=True)
