"""The numbers that lab 20's page lets one guess, from the reference, its config and the text."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

from dllab.data import load

Config = Mapping[str, Any]


def parameters(lab: ModuleType, config: Config) -> int:
    """Learned numbers of the LSTM."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def gpt_parameters(lab: ModuleType, config: Config) -> int:
    """Learned numbers of the GPT."""
    return parameters(lab, {"model": {**config["model"], "network": "gpt"}})


def blind_bits(_lab: ModuleType, config: Config) -> float:
    """Bits per character of a guess among all characters."""
    return math.log2(config["model"]["tokens"])


def bigram_nats(_lab: ModuleType, config: Config) -> float:
    """Nats per character of the validation text, by how often two characters meet in training."""
    tokens, text = config["model"]["tokens"], config["data"]["name"]
    met, new = (load(text, split)["tokens"] for split in ("train", "val"))
    count = torch.bincount(met[:-1] * tokens + met[1:], minlength=tokens**2).double() + 1
    share = count.view(tokens, tokens) / count.view(tokens, tokens).sum(1, keepdim=True)
    return float(-share[new[:-1], new[1:]].log().mean())
