"""The numbers that lab 18's page lets one guess, from the reference, its config and the text."""

import math
from collections import Counter
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

from labs.lab18_embeddings.given import plays, speeches

Config = Mapping[str, Any]


def parameters(lab: ModuleType, config: Config) -> int:
    """Learned numbers of the model."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def blind_loss(_lab: ModuleType, config: Config) -> float:
    """What a pair costs while all products are 0."""
    return (1 + config["data"]["negatives"]) * math.log(2)


def pieces(lab: ModuleType, config: Config) -> int:
    """How many pieces "unkingly" has."""
    return len(lab.ngrams("unkingly", config["model"]["grams"]))


@cache
def counted() -> Counter[str]:
    """How often each word of the training plays occurs."""
    return Counter(word for speech in speeches(plays()) for word in speech)


def different_words(_lab: ModuleType, _config: Config) -> int:
    """How many different words the training plays have."""
    return len(counted())


def once(_lab: ModuleType, _config: Config) -> int:
    """How many of them occur once."""
    return sum(times == 1 for times in counted().values())
