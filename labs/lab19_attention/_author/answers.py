"""The numbers that lab 19's page lets one guess, from the reference and its config."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

from labs.lab19_attention.checks import saved

Config = Mapping[str, Any]
TOKENS = 1024


def parameters(lab: ModuleType, config: Config) -> int:
    """Learned numbers of the model."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def first_loss(_lab: ModuleType, config: Config) -> float:
    """Nats of a guess among all characters."""
    return math.log(config["model"]["tokens"])


def cache_bytes(lab: ModuleType, config: Config) -> int:
    """Bytes that the caches hold for each token of a text."""
    model = lab.Model(**config["model"])
    caches = model.caches()
    model.read(torch.zeros(1, 1, dtype=torch.int64), caches)
    return sum(4 * (cache.k.numel() + cache.v.numel()) for cache in caches)


def _kept(lab: ModuleType, config: Config, tile: int) -> int:
    """Bytes that a layer's attention keeps for the backward pass over TOKENS tokens."""
    model = config["model"]
    heads = model["heads"]
    shape = (1, heads, TOKENS, model["features"] // heads)
    q, k, v = (torch.zeros(shape, requires_grad=True) for _ in range(3))
    layer = lab.Attention(model["features"], heads, heads, rotary=True, size=tile)
    keep = lambda place_S: torch.ones(1, 1, 1, len(place_S), dtype=torch.bool)  # noqa: E731
    return saved(lambda: layer.attend(q, k, v, keep))[1]


def megabytes_at_once(lab: ModuleType, config: Config) -> float:
    """Megabytes kept where all scores are there at once."""
    return _kept(lab, config, 0) / 1e6


def megabytes_in_tiles(lab: ModuleType, config: Config) -> float:
    """Megabytes kept in tiles of 64."""
    return _kept(lab, config, 64) / 1e6
