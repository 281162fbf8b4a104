"""A generator with one number to learn, and a critic with two: two losses, two optimisers."""

import torch
from lightning import LightningDataModule, LightningModule
from torch import nn

from dllab.data import BatchLoader


class Data(LightningDataModule):
    """Numbers around 2."""

    def __init__(self, *, items, batch_size):
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.x, self.batch_size = torch.randn(items, 1, generator=rng) + 2, batch_size

    def train_dataloader(self):
        return BatchLoader({"x": self.x}, self.batch_size, shuffle=True, seed=0)

    def val_dataloader(self):
        return BatchLoader({"x": self.x}, self.batch_size)


class Model(LightningModule):
    """Both players; what is graded is `sample`."""

    def __init__(self, *, lr=0.2):
        super().__init__()
        self.automatic_optimization, self.lr = False, lr
        self.shift, self.critic = nn.Parameter(torch.zeros(1)), nn.Linear(1, 1)

    def sample(self, n, seed):
        rng = torch.Generator().manual_seed(seed)
        return torch.randn(n, 1, generator=rng) + self.shift

    def critic_loss(self, real, fake):
        # BEGIN SOLUTION critic: return a loss that is low where the critic tells the two apart.
        # The mean verdict on the false less that on the real ones, plus the square of the critic's
        # weight. No gradient goes on to the generator.
        gap = self.critic(fake.detach()).mean() - self.critic(real).mean()
        return gap + self.critic.weight.square().sum()
        # END SOLUTION

    def generator_loss(self, fake):
        # BEGIN SOLUTION generator: return a loss that is low where the critic is taken in.
        return -self.critic(fake).mean()
        # END SOLUTION

    def configure_optimizers(self):
        generator = torch.optim.SGD([self.shift], lr=self.lr)
        return generator, torch.optim.SGD(self.critic.parameters(), lr=self.lr)

    def training_step(self, batch, batch_idx):
        generator, critic = self.optimizers()
        fake = self.sample(len(batch["x"]), batch_idx)
        self.move(critic, self.critic_loss(batch["x"], fake))
        self.log("train/loss", self.move(generator, self.generator_loss(fake)))

    def move(self, optimizer, loss):
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return loss

    def validation_step(self, batch, batch_idx):
        gap = self.sample(len(batch["x"]), batch_idx).mean() - batch["x"].mean()
        self.log("val/loss", gap.square())
