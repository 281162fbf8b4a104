"""None of the work is done here. Every attack starts from this, and no trick may win a point."""

import torch
from torch import nn


def double(x):
    return x + 1


class Data:
    pass


class Model(nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(float(scale)))

    def predict(self, batch):
        return torch.zeros(len(batch["lengths"]), 2) * self.scale
