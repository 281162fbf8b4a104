"""The numbers that lab 28's page lets one guess, from the reference and its config."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

Config = Mapping[str, Any]


def share(_lab: ModuleType, config: Config) -> float:
    """The labels that are kept, of 900, in per cent."""
    return 100 * config["data"]["per_class"] * 10 / 900


def trio(lab: ModuleType, _config: Config) -> float:
    """The belief in 0 where one who is right in 9 of 10 says 0, and two of 6 in 10 say 1."""
    right = torch.tensor([0.9, 0.6, 0.6]).double()
    chance = torch.stack(
        [torch.stack([right, 1 - right], 1), torch.stack([1 - right, right], 1)], 1
    )
    return float(
        lab.beliefs(torch.tensor([[0, 1, 1]]), torch.full((2,), 0.5).double(), chance)[0, 0]
    )


def habit(lab: ModuleType, _config: Config) -> float:
    """Kappa of two who both say "fine" of 90 of 100 items, and agree on 82."""
    first = torch.cat([torch.zeros(90), torch.ones(10)]).long()
    second = torch.cat([torch.zeros(81), torch.ones(9), torch.zeros(9), torch.ones(1)]).long()
    return float(lab.kappa(first, second, 2))
