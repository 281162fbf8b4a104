"""The numbers that lab 10's page lets one guess, computed from the reference and its config."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

Config = Mapping[str, Any]


def parameters(lab: ModuleType, config: Config) -> int:
    """How many numbers the network learns."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def _after_a_step(lab: ModuleType, config: Config, **choice: Any) -> int:
    model = lab.Model(**config["model"] | choice)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizers = model.configure_optimizers()
    for optimizer in optimizers:
        optimizer.step()
    return sum(lab.state_bytes(optimizer) for optimizer in optimizers)


def adamw_bytes(lab: ModuleType, config: Config) -> int:
    """What AdamW remembers of it."""
    return _after_a_step(lab, config, optimizer="adamw")


def muon_bytes(lab: ModuleType, config: Config) -> int:
    """What Muon and AdamW remember together."""
    return _after_a_step(lab, config, optimizer="muon")


def faded(_lab: ModuleType, config: Config) -> float:
    """What PyTorch's own start leaves of a signal's deviation: 1 / √6 in each layer, on average."""
    return float((1 / 6) ** (config["model"]["depth"] / 2))


def first_step(lab: ModuleType, _config: Config) -> float:
    """How far AdamW's first step goes at rate 0.002, for a gradient of 100."""
    p = torch.zeros(1, requires_grad=True)
    p.grad = torch.full((1,), 100.0)
    lab.AdamW([p], lr=0.002, weight_decay=0.0).step()
    return abs(float(p.detach()))
