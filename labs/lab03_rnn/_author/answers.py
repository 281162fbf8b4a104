"""The numbers that lab 03's page lets one guess, from the reference and its config of `vowels`."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

Config = Mapping[str, Any]
STEPS = 21


def parameters(lab: ModuleType, config: Config) -> int:
    """Learned numbers of the recurrent layer."""
    model = config["model"]
    layer = lab.Recurrent(model["cell"], model["features"], model["hidden"])
    return sum(p.numel() for p in layer.parameters())


def blind_loss(_lab: ModuleType, config: Config) -> float:
    """What a blind guess among the classes costs, in nats."""
    return math.log(config["model"]["classes"])


def opened(_lab: ModuleType, _config: Config) -> float:
    """A forget gate whose numbers are all zero but for its bias of 1."""
    return 1 / (1 + math.exp(-1))


def reach(lab: ModuleType, cell: str, steps: int) -> float:
    """The share of a gradient that is left so many steps back in a new layer that reads noise."""
    torch.manual_seed(0)
    layer, x_BTD = lab.Recurrent(cell, 12, 64), torch.randn(64, STEPS, 12)
    norm_T = lab.gradient_by_step(layer, x_BTD)
    return float(norm_T[-1 - steps] / norm_T[-1])


def plain_reach(lab: ModuleType, _config: Config) -> float:
    """What a new plain layer leaves of a gradient 20 steps back."""
    return reach(lab, "rnn", STEPS - 1)


def gru_reach(lab: ModuleType, _config: Config) -> float:
    """What a new GRU leaves of it."""
    return reach(lab, "gru", STEPS - 1)


def lstm_reach(lab: ModuleType, _config: Config) -> float:
    """What a new LSTM leaves of it."""
    return reach(lab, "lstm", STEPS - 1)
