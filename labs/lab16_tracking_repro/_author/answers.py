"""The numbers that lab 16's page lets one guess."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

Config = Mapping[str, Any]


def meeting(_lab: ModuleType, _config: Config) -> float:
    """How probable it is that two of 3,000 numbers of 32 bits are equal, in per cent."""
    apart = 1.0
    for place in range(3000):
        apart *= 1 - place / 2**32
    return round(100 * (1 - apart), 1)


def settings(lab: ModuleType, _config: Config) -> int:
    """The leaves of the lab's config."""
    return len(lab.flatten(lab.CONFIG))


def on_card(lab: ModuleType, _config: Config) -> int:
    """The leaves of a card of it, with data in two parts."""
    import torch

    rows = {"label": torch.zeros(1)}
    card = lab.make_card(lab.CONFIG, {"train": rows, "val": rows}, Path(__file__))
    return len(lab.flatten(card))
