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


def kept_share(lab: ModuleType, config: Config) -> str:
    """What the forward pass of a batch keeps in bfloat16, of what it keeps in float32."""
    net = lab.Model(**config["model"]).net
    x, label = torch.zeros(config["data"]["batch_size"], 784), torch.zeros(128, dtype=torch.int64)

    def kept(dtype: torch.dtype) -> int:
        sizes: list[int] = []

        def note(tensor: Tensor) -> Tensor:
            sizes.append(tensor.nbytes)
            return tensor

        with saved_tensors_hooks(note, lambda tensor: tensor):
            lab.mixed_loss(net, x, label[: len(x)], dtype)
        return sum(sizes)

    return f"{kept(torch.bfloat16) / kept(torch.float32):.0%}"


def vanishes(_lab: ModuleType, _config: Config) -> str:
    """The largest power of two that float16 rounds to 0."""
    power = next(n for n in range(64) if torch.tensor(2.0**-n).half() == 0)
    return f"2^-{power}, {2.0**-power:.1e}"


def stuck(_lab: ModuleType, _config: Config) -> str:
    """The largest power of two that, added to 1, is lost in bfloat16."""
    power = next(n for n in range(64) if torch.tensor(1 + 2.0**-n).bfloat16() == 1)
    return f"2^-{power}, {2.0**-power:.1e}"
