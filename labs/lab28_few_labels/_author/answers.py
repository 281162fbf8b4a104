"""The numbers that lab 28's page lets one guess, from the reference and its config."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

from dllab.data import load, vocabulary
from labs.lab28_few_labels.given import KEYWORDS

Config = Mapping[str, Any]


def risk(_lab: ModuleType, _config: Config) -> float:
    """The probability p from which a label is worth telling: p = 4 (1 - p)."""
    return 4 / (1 + 4)


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
    return abs(round(float(lab.kappa(first, second, 2)), 9))


def _found(lab: ModuleType, way: str) -> float:
    """Of the bad reviews on which a rule speaks, the share that is found out, in per cent."""
    text, place = load("clothing_reviews", "val"), vocabulary("clothing_reviews").index
    word = torch.tensor([[place(one) for one in words] for _, words in KEYWORDS])
    says = torch.tensor([label for label, _ in KEYWORDS])
    vote = lab.keyword_votes(text["tokens"], text["lengths"], word, says)
    bad = (vote >= 0).any(1) & (text["label"] == 0)
    return float(100 * (getattr(lab, way)(vote, 2)[bad].argmax(1) == 0).double().mean())


def by_majority(lab: ModuleType, _config: Config) -> float:
    """By the majority of the rules."""
    return _found(lab, "majority")


def by_beliefs(lab: ModuleType, _config: Config) -> float:
    """By Dawid and Skene."""
    return _found(lab, "dawid_skene")
