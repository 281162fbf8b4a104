"""The numbers that lab 05's page lets one guess, computed from the reference."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

Config = Mapping[str, Mapping[str, Any]]


def parameters(lab: ModuleType, config: Config) -> int:
    """How many numbers the network learns."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def kept(lab: ModuleType, config: Config, dtype: torch.dtype) -> int:
    """How many bytes the forward pass of a batch keeps for the backward pass."""
    net = lab.Model(**config["model"]).net
    count = config["data"]["batch_size"]
    sizes: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        sizes.append(tensor.nbytes)
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        lab.mixed_loss(net, torch.zeros(count, 784), torch.zeros(count, dtype=torch.int64), dtype)
    return sum(sizes)


def kept_float32(lab: ModuleType, config: Config) -> int:
    """Bytes that are kept in float32."""
    return kept(lab, config, torch.float32)


def kept_bfloat16(lab: ModuleType, config: Config) -> int:
    """Bytes that are kept in bfloat16."""
    return kept(lab, config, torch.bfloat16)


def kept_float16(lab: ModuleType, config: Config) -> int:
    """Bytes that are kept in float16."""
    return kept(lab, config, torch.float16)


def kept_share(lab: ModuleType, config: Config) -> str:
    """Those in bfloat16, of those in float32."""
    return f"{kept_bfloat16(lab, config) / kept_float32(lab, config):.0%}"


def vanishes(_lab: ModuleType, _config: Config) -> str:
    """The largest power of two that float16 rounds to 0."""
    power = next(n for n in range(64) if torch.tensor(2.0**-n).half() == 0)
    return f"2^-{power}, {2.0**-power:.1e}"


def stuck(_lab: ModuleType, _config: Config) -> str:
    """The largest power of two that, added to 1, is lost in bfloat16."""
    power = next(n for n in range(64) if torch.tensor(1 + 2.0**-n).bfloat16() == 1)
    return f"2^-{power}, {2.0**-power:.1e}"
