"""Handed out with lab 19: the plays in chunks, a transformer's block, and how it is trained."""

from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn

from dllab.data import StreamLoader, load

Batch = dict[str, Tensor]


class Plays(LightningDataModule):
    """One long text, in batches of chunks of `steps` tokens and the one after."""

    def __init__(
        self,
        *,
        name: str = "shakespeare",
        size: str = "small",
        batch_size: int = 64,
        steps: int = 32,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.name, self.size = name, size
        self.batch_size, self.steps, self.seed = batch_size, steps, seed

    def setup(self, stage: str | None = None) -> None:
        """Load both texts."""
        self.train = load(self.name, "train", self.size)
        self.val = load(self.name, "val", self.size)

    def train_dataloader(self) -> StreamLoader:
        """The text from another starting point in each epoch."""
        tokens, size = self.train["tokens"], self.batch_size
        return StreamLoader(tokens, size, self.steps, shuffle=True, seed=self.seed)

    def val_dataloader(self) -> StreamLoader:
        """The whole text."""
        return StreamLoader(self.val["tokens"], self.batch_size, self.steps)


def last(token_BT: Tensor, length_B: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """The last `window` tokens of each text, or all that it has, and how many those are."""
    first_B1 = (length_B - window).clamp(min=0)[:, None]
    place_BT = first_B1 + torch.arange(min(window, token_BT.shape[1]), device=token_BT.device)
    return token_BT.gather(1, place_BT), length_B.clamp(max=window)


class Block(nn.Module):
    """x + attention(norm(x)), then the same with a small network in place of attention."""

    def __init__(self, features: int, attention: nn.Module) -> None:
        super().__init__()
        self.attention = attention
        self.norm, self.outer_norm = nn.LayerNorm(features), nn.LayerNorm(features)
        wide = nn.Linear(features, 4 * features)
        self.network = nn.Sequential(wide, nn.GELU(), nn.Linear(4 * features, features))

    def forward(self, x_BTD: Tensor, *more: Any) -> Tensor:
        """Map float [B, T, D] to the same shape; `more` is for the attention."""
        x_BTD = x_BTD + self.attention(self.norm(x_BTD), *more)
        return x_BTD + self.network(self.outer_norm(x_BTD))


class Reader(LightningModule):
    """What reads a text, and learns to say which token comes next; `read` is lab.py's."""

    def __init__(self, lr: float, weight_decay: float, clip: float) -> None:
        super().__init__()
        self.lr, self.weight_decay, self.clip = lr, weight_decay, clip
        self.read: Any

    def chunk_loss(self, batch: Batch) -> Tensor:
        """The nats of each token given those before it in its chunk, float32 []."""
        token_BT, next_BT = batch["tokens"][:, :-1], batch["tokens"][:, 1:]
        return F.cross_entropy(self.read(token_BT).flatten(0, 1), next_BT.flatten())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch; logged as `train/loss`."""
        loss = self.chunk_loss(batch)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log `val/loss`; all chunks are equally long."""
        self.log("val/loss", self.chunk_loss(batch), batch_size=1, sync_dist=True)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW under a one-cycle schedule: warm up, then cool down to nearly nothing."""
        optimizer = torch.optim.AdamW(self.parameters(), self.lr, weight_decay=self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.lr, total_steps=steps, pct_start=0.1
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def configure_gradient_clipping(self, *_: object, **__: object) -> None:
        """Lightning's place for clipping: by the joint norm."""
        nn.utils.clip_grad_norm_(self.parameters(), self.clip)
