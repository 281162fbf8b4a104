"""The numbers that lab 24's page lets one guess: from reference, config and pictures."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

from dllab.data import load

Config = Mapping[str, Any]


def parameters(lab: ModuleType, config: Config) -> int:
    """Learned numbers of both halves."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def blind_nats(_lab: ModuleType, config: Config) -> float:
    """Nats of a picture whose pixels are white as often as black."""
    return config["model"]["pixels"] * math.log(2)


def _chances(split: str, config: Config) -> torch.Tensor:
    return load(config["data"]["name"], split)["image"].flatten(1).double() / 255


def mean_nats(_lab: ModuleType, config: Config) -> float:
    """Nats of a validation picture, if each pixel is as often white as in training."""
    p_D, x_ND = _chances("train", config).mean(0).clamp(0.001, 0.999), _chances("val", config)
    return float(-(x_ND * p_D.log() + (1 - x_ND) * (1 - p_D).log()).sum(1).mean())


def least_nats(_lab: ModuleType, config: Config) -> float:
    """Nats that the drawing of black and white costs, even if all greys were known."""
    return float(torch.special.entr(_chances("val", config)).sum(1).mean()) + float(
        torch.special.entr(1 - _chances("val", config)).sum(1).mean()
    )


def unit_nats(lab: ModuleType, _config: Config) -> float:
    """KL of one unit of mean 1 and deviation 0.1."""
    deviation = torch.tensor([[0.1]])
    return float(lab.kl_to_prior(torch.ones(1, 1), 2 * deviation.log()))
