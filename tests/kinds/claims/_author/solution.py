"""A line through noise, by gradient descent: does momentum help, does more data?"""

import torch
from lightning import LightningDataModule, LightningModule
from torch import nn

from dllab.data import BatchLoader


class Data(LightningDataModule):
    """Points about the line 3x - 1, drawn by the seed."""

    def __init__(self, *, items, batch_size, seed):
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        x = 2 * torch.rand(items, 1, generator=rng) - 1
        self.points = {"x": x, "y": 3 * x - 1 + torch.randn(items, 1, generator=rng)}
        self.batch_size, self.seed = batch_size, seed

    def train_dataloader(self):
        return BatchLoader(self.points, self.batch_size, shuffle=True, seed=self.seed)

    def val_dataloader(self):
        return BatchLoader(self.points, self.batch_size)


class Model(LightningModule):
    """A line; what is measured is `act`."""

    def __init__(self, *, lr=0.01, momentum=0.0, start=0.0):
        super().__init__()
        self.lr, self.momentum = lr, momentum
        self.line = nn.Linear(1, 1)
        nn.init.constant_(self.line.weight, start)
        nn.init.constant_(self.line.bias, start)

    def act(self, observations):
        return self.line(observations)

    def loss(self, x_B1, y_B1):
        # BEGIN SOLUTION loss: return the mean over the batch of the squared errors, [].
        return (self.line(x_B1) - y_B1).square().mean()
        # END SOLUTION

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)

    def training_step(self, batch, batch_idx):
        loss = self.loss(batch["x"], batch["y"])
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.loss(batch["x"], batch["y"]), batch_size=len(batch["x"]))
