"""Handed out with lab 20: the plays in lanes, a block's network, and how both arms train."""

from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn

from dllab.data import StreamLoader, load

Batch = dict[str, Tensor]
# What a network remembers of the texts so far. LSTM: h and c, float32 [1, B, H] each.
# GPT: the vectors that it has read last, float32 [B, S, D], S being its window at most.
State = tuple[Tensor, ...]


class Plays(LightningDataModule):
    """One long text in `batch_size` lanes, cut into chunks of `steps` that follow each other."""

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
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> StreamLoader:
        """The whole text."""
        return self._loader(self.val, shuffle=False)

    def _loader(self, split: Batch, *, shuffle: bool) -> StreamLoader:
        # [batch_size, steps + 1] tokens at a time; each lane goes on where the batch before ended
        return StreamLoader(
            split["tokens"], self.batch_size, self.steps, shuffle=shuffle, seed=self.seed
        )


def last(token_BT: Tensor, length_B: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """The last `window` tokens of each text, or all that it has, and how many those are."""
    first_B1 = (length_B - window).clamp(min=0)[:, None]
    place_BT = first_B1 + torch.arange(min(window, token_BT.shape[1]), device=token_BT.device)
    return token_BT.gather(1, place_BT), length_B.clamp(max=window)


class Network(nn.Module):
    """What each place computes alone: to four times the features, through a GELU, and back."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.wide = nn.Linear(features, 4 * features)
        self.out = nn.Linear(4 * features, features)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map float [B, T, D] to the same shape."""
        return self.out(F.gelu(self.wide(x_BTD)))


class Reader(LightningModule):
    """How a network is trained whose `stream_loss` reads a text chunk by chunk."""

    def __init__(self, lr: float, weight_decay: float, clip: float, schedule: str) -> None:
        super().__init__()
        self.lr, self.weight_decay, self.clip, self.schedule = lr, weight_decay, clip, schedule
        self.carried: dict[str, State] = {}  # what is remembered of the "train" and "val" text
        self.sums: list[tuple[Tensor, Tensor]] = []  # of each batch that was validated
        self.window = 0  # how many tokens are seen at once; 0: all that were ever read
        self.stream_loss: Any  # lab.py's

    def on_fit_start(self) -> None:
        """See to it that a chunk fits into the window."""
        steps = self.trainer.datamodule.steps  # type: ignore[attr-defined]
        if 0 < self.window < steps:
            raise ValueError(
                f"data.steps is {steps}, but the GPT sees {self.window} tokens: "
                "set model.window to as many or more"
            )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a chunk; logged as `train/loss`."""
        loss = self.stream_loss(batch, "train")
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the loss of each chunk, times its tokens, and their number."""
        loss = self.stream_loss(batch, "val")
        tokens = loss.new_tensor(batch["tokens"][:, 1:].numel())
        self.sums.append((loss * tokens, tokens))

    def validated(self) -> tuple[Tensor, Tensor]:
        """The nats of the whole text and its tokens, float32 [] each, over all devices.

        Sums may be added over batches and devices; means may not be averaged.
        """
        total, tokens = (
            self.trainer.strategy.reduce(torch.stack(parts).sum(dim=0), reduce_op="sum")
            for parts in zip(*self.sums, strict=True)
        )
        self.sums.clear()
        return total, tokens

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW under a one-cycle schedule: warm up, then cool down to nearly nothing.

        With `schedule` "constant" the rate stays as it is.
        """
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        if self.schedule == "constant":
            return {"optimizer": optimizer}
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.lr, total_steps=steps, pct_start=0.1
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def configure_gradient_clipping(self, *_: object, **__: object) -> None:
        """Lightning's place for clipping: by the joint norm, as in lab 03."""
        nn.utils.clip_grad_norm_(self.parameters(), self.clip)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the carried state, so that a resumed run goes on in the middle of the text."""
        checkpoint["carried"] = self.carried

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the carried state up again."""
        self.carried = checkpoint["carried"]

    def on_train_start(self) -> None:
        """Bring a state that came with a checkpoint to where the weights are."""
        device = self.device
        self.carried = {
            stage: tuple(part.to(device) for part in state) for stage, state in self.carried.items()
        }
