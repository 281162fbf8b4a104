"""A policy that is trained through its own simulation; the scorer has a world of its own."""

import torch
from lightning import LightningDataModule, LightningModule
from torch import nn

from dllab.data import BatchLoader


class Data(LightningDataModule):
    """Carts as they start: place and speed, from -1 to 1."""

    def __init__(self, *, items, batch_size):
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.state, self.batch_size = 2 * torch.rand(items, 2, generator=rng) - 1, batch_size

    def train_dataloader(self):
        return BatchLoader({"state": self.state}, self.batch_size, shuffle=True, seed=0)

    def val_dataloader(self):
        return BatchLoader({"state": self.state}, self.batch_size)


class Model(LightningModule):
    """A linear policy; what is graded is `act`."""

    def __init__(self, *, steps=40, lr=0.05):
        super().__init__()
        self.steps, self.lr = steps, lr
        self.policy = nn.Linear(2, 1, bias=False)

    def act(self, observations):
        # BEGIN SOLUTION act: return a push for each cart, float32 [B].
        # An observation is (place, speed); a push lies between -1 and 1.
        return torch.tanh(self.policy(observations)).squeeze(dim=1)
        # END SOLUTION

    def cost(self, state_B2):
        # BEGIN SOLUTION cost: return the mean over steps and carts of place² + speed², [].
        # In each of self.steps steps the speed gains a tenth of the push, then the place gains a
        # tenth of the speed; the cost is counted behind that.
        place_B, speed_B = state_B2.unbind(dim=1)
        total = torch.zeros(())
        for _ in range(self.steps):
            speed_B = speed_B + 0.1 * self.act(torch.stack([place_B, speed_B], dim=1))
            place_B = place_B + 0.1 * speed_B
            total = total + (place_B.square() + speed_B.square()).mean()
        return total / self.steps
        # END SOLUTION

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)

    def training_step(self, batch, batch_idx):
        loss = self.cost(batch["state"])
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.cost(batch["state"]), batch_size=len(batch["state"]))
