"""An agent that remembers: a cue comes first, and counts when it has gone."""

import torch
from lightning import LightningDataModule, LightningModule
from torch import nn

from dllab.data import BatchLoader

STEPS = 6


class Data(LightningDataModule):
    """Cues of -1 or 1, seen through noise, with nothing but noise behind them."""

    def __init__(self, *, items, batch_size):
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.seen = torch.randn(items, STEPS, generator=rng) / 2
        self.cue = 2.0 * torch.randint(2, (items,), generator=rng) - 1
        self.seen[:, 0] += self.cue
        self.batch_size = batch_size

    def train_dataloader(self):
        return BatchLoader(self.episodes(), self.batch_size, shuffle=True, seed=0)

    def val_dataloader(self):
        return BatchLoader(self.episodes(), self.batch_size)

    def episodes(self):
        return {"seen": self.seen, "cue": self.cue}


class Model(LightningModule):
    """A cell that keeps a state for each episode; what is graded is `act` after `reset`."""

    def __init__(self, *, lr=0.02):
        super().__init__()
        self.lr, self.cell, self.head = lr, nn.GRUCell(1, 8), nn.Linear(8, 1)
        self.reset()

    def reset(self):
        self.state = None

    def act(self, observations):
        # BEGIN SOLUTION act: remember the observations float32 [B], and return actions, [B].
        # self.state is None in the beginning of an episode. Actions lie between -1 and 1.
        self.state = self.cell(observations[:, None], self.state)
        return torch.tanh(self.head(self.state))[:, 0]
        # END SOLUTION

    def loss(self, batch):
        self.reset()
        for observations in batch["seen"].T:
            actions = self.act(observations)
        self.reset()
        return (actions - batch["cue"]).square().mean()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)

    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.loss(batch))
