"""Work as a learner hands it in."""

import torch
from torch import nn


def double(x):
    return 2 * x


class Data:
    pass


class Model(nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(float(scale)))

    def predict(self, batch):
        valid = torch.arange(batch["series"].shape[1]) < batch["lengths"][:, None]
        total = (batch["series"][..., 0] * valid).sum(1)
        return torch.stack([-total, total], 1) * self.scale
