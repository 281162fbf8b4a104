"""The numbers that lab 11's page lets one guess, computed from the reference and its config."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

Config = Mapping[str, Any]


def least_loss(lab: ModuleType, config: Config) -> float:
    """The entropy of a smoothed target."""
    logits, label = torch.zeros(1, config["model"]["classes"]), torch.tensor([0])
    *_, target = lab.smooth_loss(logits, label, config["model"]["smoothing"])
    return float(-(target * target.log()).sum())


def blocks(lab: ModuleType, config: Config) -> float:
    """How many blocks are kept in a step, on average."""
    return sum(1 - block.drop_path for block in lab.Model(**config["model"]).blocks)


def _counts(lab: ModuleType, config: Config) -> list[int]:
    groups = lab.decay_groups(lab.Model(**config["model"]), 1.0)
    return [sum(p.numel() for p in group["params"]) for group in groups]


def decaying(lab: ModuleType, config: Config) -> int:
    """How many parameters decay."""
    return _counts(lab, config)[0]


def spared(lab: ModuleType, config: Config) -> int:
    """How many do not."""
    return _counts(lab, config)[1]


def parameters(lab: ModuleType, config: Config) -> int:
    """How many there are."""
    return sum(_counts(lab, config))
