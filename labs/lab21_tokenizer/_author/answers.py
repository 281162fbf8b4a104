"""The numbers that lab 21's page lets one guess, from the reference."""

from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

from labs.lab21_tokenizer.given import Table, plays

Config = Mapping[str, Any]


@cache
def learned(lab: ModuleType) -> Table:
    """The table of the training plays."""
    table: Table = lab.train(plays(), lab.MERGES, lab.SPECIAL)
    return table


def text_bytes(_lab: ModuleType, _config: Config) -> int:
    """How many bytes the training plays have."""
    return len(plays().encode())


def different_words(lab: ModuleType, _config: Config) -> int:
    """How many different words they have."""
    return len(lab.count_words(plays(), ()))


def first_merges(lab: ModuleType, _config: Config) -> str:
    """What the first five merges make."""
    tokens = lab.vocabulary(learned(lab))[256:261]
    return ", ".join(f"`{token.decode()}`" for token in tokens)


def emoji_tokens(lab: ModuleType, _config: Config) -> int:
    """How many tokens an emoji is that no play has."""
    return len(lab.encode("🙂", learned(lab)))


def rate(lab: ModuleType, _config: Config) -> float:
    """Bytes for each token in the validation play."""
    text = plays("val")
    return len(text.encode()) / len(lab.encode(text, learned(lab)))
