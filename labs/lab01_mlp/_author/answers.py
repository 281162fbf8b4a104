"""The numbers that lab 01's page lets one guess, computed from the reference and its config."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

Config = Mapping[str, Any]


def parameters(lab: ModuleType, config: Config) -> int:
    """How many numbers the network learns."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def linear_parameters(lab: ModuleType, config: Config) -> int:
    """How many it learns without hidden layers."""
    return parameters(lab, {"model": {**config["model"], "hidden": []}})


def optimizer_bytes(lab: ModuleType, config: Config) -> int:
    """What AdamW remembers: two float32 for each learned number."""
    return 2 * 4 * parameters(lab, config)


def blind_loss(_lab: ModuleType, config: Config) -> float:
    """What a blind guess costs, in nats."""
    return math.log(config["model"]["classes"])


def squashed_loss(lab: ModuleType, config: Config) -> float:
    """What a right and entirely sure answer costs when the softmax is taken twice, in nats."""
    sure_CC = torch.eye(config["model"]["classes"])  # one-hot: what the first softmax tends to
    return float(lab.cross_entropy(sure_CC, sure_CC.argmax(dim=1)))
