"""The numbers that lab 27's page lets one guess: from reference and config."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

Config = Mapping[str, Any]


def parameters(lab: ModuleType, config: Config) -> int:
    """Learned numbers of encoder and head."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def kept(lab: ModuleType, config: Config) -> int:
    """Those of the encoder alone."""
    return sum(p.numel() for p in lab.Model(**config["model"]).encoder.parameters())


def blind_loss(_lab: ModuleType, config: Config) -> float:
    """NT-Xent of a batch whose views are all equally similar."""
    return math.log(2 * config["data"]["batch_size"] - 1)


def least_loss(_lab: ModuleType, config: Config) -> float:
    """NT-Xent where partners are one, and B pictures lie as far apart as B directions can.

    Their cosines then are -1 / (B - 1).
    """
    B, T = config["data"]["batch_size"], config["model"]["temperature"]
    return math.log1p((2 * B - 2) * math.exp((-1 / (B - 1) - 1) / T))
