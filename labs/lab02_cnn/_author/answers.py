"""The numbers that lab 02's page lets one guess, from the reference and its config."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

Config = Mapping[str, Any]


def parameters(lab: ModuleType, config: Config) -> int:
    """Learned numbers."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def momentum_bytes(lab: ModuleType, config: Config) -> int:
    """What the optimiser remembers: a float32 for each learned number."""
    return 4 * parameters(lab, config)


def stem_weights(lab: ModuleType, config: Config) -> int:
    """Learned numbers of the first convolution."""
    return lab.Model(**config["model"]).net[0].weight.numel()


def dense_weights(_lab: ModuleType, config: Config) -> int:
    """Those of a linear layer in its place."""
    return 28 * 28 * 14 * 14 * config["model"]["widths"][0]


def blind_loss(_lab: ModuleType, config: Config) -> float:
    """What a blind guess costs, in nats."""
    return math.log(config["model"]["classes"])
