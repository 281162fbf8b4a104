"""The numbers that lab 04's page lets one guess, from the reference and its config of `probe`."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

Config = Mapping[str, Any]


def head_parameters(lab: ModuleType, config: Config) -> int:
    """Numbers that a probe learns."""
    return sum(p.numel() for p in lab.Model(**config["model"]).head.parameters())


def backbone_parameters(lab: ModuleType, config: Config) -> int:
    """Numbers that a probe leaves alone."""
    return sum(p.numel() for p in lab.Model(**config["model"]).backbone.parameters())


def running_averages(lab: ModuleType, config: Config) -> int:
    """Numbers of the backbone that training mode changes, gradient or not."""
    norms = lab.Model(**config["model"]).backbone.modules()
    return sum(2 * norm.num_features for norm in norms if isinstance(norm, nn.BatchNorm2d))


def first_loss(lab: ModuleType, config: Config) -> float:
    """What a new head costs, in nats, whatever the image and its label."""
    net = lab.Model(**config["model"]).eval()
    image_BCHW = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    return F.cross_entropy(net(image_BCHW), torch.tensor([3])).item()
