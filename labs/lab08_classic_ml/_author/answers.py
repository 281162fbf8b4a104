"""The numbers that lab 08's page lets one guess, from the reference and its config of `fashion`."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

Config = Mapping[str, Any]


def hog_columns(lab: ModuleType, _config: Config) -> int:
    """How many columns HOG makes of an image of 28 by 28 pixels."""
    return int(lab.hog(torch.zeros(1, 1, 28, 28, dtype=torch.uint8)).shape[1])


def parameters(lab: ModuleType, config: Config) -> int:
    """How many numbers the linear machine learns."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def first_hinge(lab: ModuleType, config: Config) -> float:
    """What an image costs while all weights are 0: every score is 0, every margin too."""
    outputs = config["model"]["outputs"]
    target = 2 * torch.eye(outputs) - 1
    return float(lab.objective(0 * target, target, torch.zeros(1), 0.0, "hinge"))


def left_out(_lab: ModuleType, _config: Config) -> float:
    """The share of many items that a bootstrap sample of as many leaves out, in per cent."""
    return 100 * math.exp(-1)
