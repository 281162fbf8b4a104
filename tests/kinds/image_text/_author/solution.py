"""A picture and a caption of unequal length: two inputs, one question."""

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import nn

from dllab.data.module import SplitData


class Data(SplitData):
    """The splits that training may see."""


class Model(LightningModule):
    """Picture and caption meet in the product of their codes."""

    def __init__(self, *, lr=0.02):
        super().__init__()
        self.lr = lr
        self.words, self.pixels = nn.Embedding(8, 8), nn.Linear(3, 8)
        self.net = nn.Linear(8, 2)

    def predict(self, batch):
        caption_BF = mean_word(self.words(batch["tokens"]), batch["lengths"])
        picture_BF = self.pixels(batch["image"].float().mean(dim=(2, 3)) / 255)
        return self.net(caption_BF * picture_BF)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)

    def training_step(self, batch, batch_idx):
        loss = F.cross_entropy(self.predict(batch), batch["label"])
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", F.cross_entropy(self.predict(batch), batch["label"]))


def mean_word(words_BTF, lengths_B):
    # BEGIN SOLUTION mean-word: return the mean of each caption's words, float32 [B, F].
    # What lies behind a caption's length is padding, whatever stands there.
    real_BT = torch.arange(words_BTF.shape[1]) < lengths_B[:, None]
    return (words_BTF * real_BT[:, :, None]).sum(dim=1) / lengths_B[:, None]
    # END SOLUTION
