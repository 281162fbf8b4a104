"""The numbers that lab 12's page lets one guess, computed from the reference and its config."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

Config = Mapping[str, Any]
SIDE = 8


def parameters(lab: ModuleType, config: Config) -> int:
    """How many numbers the network learns."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def crops(lab: ModuleType, config: Config) -> int:
    """In how many places a picture can be cut."""
    return (2 * config["model"]["pad"] + 1) ** 2


def kept(lab: ModuleType, config: Config) -> float:
    """The mean share of its own pixels that a picture keeps, if the share asked for is 0."""
    places = torch.cartesian_prod(torch.arange(SIDE), torch.arange(SIDE))
    whole = torch.full((SIDE**2,), SIDE)
    masks = lab.boxes(places[:, 0], places[:, 1], whole, whole, (SIDE, SIDE))
    return 1 - float(masks.float().mean())


def least_loss(lab: ModuleType, config: Config) -> float:
    """The loss of a network that is right about two labels, half each."""
    target = torch.tensor([[0.5, 0.5, 0.0]])
    return float(lab.soft_cross_entropy(target.log().clamp(min=-1e9), target))
