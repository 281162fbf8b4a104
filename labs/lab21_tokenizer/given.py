"""Given to you: how text is cut into words, the table of merges and its file, and the plays."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dllab.data import find, load

Pair = tuple[int, int]

# Letters and digits, or punctuation, either with the space before it; or white space. Each
# character of a text belongs to exactly one word. Without look-ahead, no word depends on the next.
WORD = re.compile(r" ?\w+| ?[^\w\s]+|\s+")
BYTES = 256


class TableError(Exception):
    """A file that holds no table of merges; the message says which merge is wrong, and why."""


@dataclass(frozen=True)
class Table:
    """What a tokenizer has learned.

    Ids 0 to 255 are the bytes. The merge of rank r is a pair of earlier ids, and makes id 256 + r.
    Behind the merges come the special tokens, in their order.
    """

    merges: tuple[Pair, ...]
    special: tuple[str, ...] = ()

    @cached_property
    def ranks(self) -> dict[Pair, int]:
        """The rank of each pair; the table keeps this dict, so do not change it."""
        return {pair: rank for rank, pair in enumerate(self.merges)}


def save(table: Table, path: Path) -> None:
    """Write tokenizer.json: merges as a list of pairs, in the order of their ranks."""
    content: dict[str, Any] = {"merges": table.merges, "special": table.special}
    path.write_text(json.dumps(content), encoding="utf-8")


def plays(split: str = "train") -> str:
    """Shakespeare's plays of a split, one behind the other."""
    characters = find("shakespeare").vocabulary()
    return "".join(characters[i] for i in load("shakespeare", split)["tokens"].tolist())
