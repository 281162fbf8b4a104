"""Regression on a table whose columns have very different scales."""

import torch
from lightning import LightningModule
from torch import nn

from dllab.data.module import SplitData


class Data(SplitData):
    """The splits that training may see."""


class Model(LightningModule):
    """A linear model of standardised columns."""

    def __init__(self, *, lr=0.05):
        super().__init__()
        self.lr, self.net = lr, nn.Linear(4, 1)
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("scale", torch.ones(4))

    def setup(self, stage):
        self.mean, self.scale = moments(self.trainer.datamodule.train["features"])

    def predict(self, batch):
        return self.net((batch["features"] - self.mean) / self.scale)[:, 0]

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)

    def training_step(self, batch, batch_idx):
        loss = (self.predict(batch) - batch["label"]).square().mean()
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", (self.predict(batch) - batch["label"]).square().mean())


def moments(features_NF):
    # BEGIN SOLUTION standardise: return mean and standard deviation of each column, [F] and [F].
    # A column that never varies gets a deviation of 1.
    scale_F = features_NF.std(dim=0)
    return features_NF.mean(dim=0), torch.where(scale_F > 0, scale_F, torch.ones_like(scale_F))
    # END SOLUTION
