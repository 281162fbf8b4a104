"""Given to you: the plays as speeches, words as bytes in a tensor, bags laid end to end."""

import re
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from dllab.data import find, load

ASIDE = re.compile(r"\[[^\]]*\]?")  # what actors do, not what they say
END = re.compile(r"^[A-Z][^a-z\n]*:$|\n\n+", re.MULTILINE)  # HAMLET: begins a speech
WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")
LONGEST = 24  # bytes of a word that are kept


def plays(split: str = "train", size: str = "small", name: str = "shakespeare") -> str:
    """The plays of a split, one behind the other."""
    characters = find(name).vocabulary()
    return "".join(characters[i] for i in load(name, split, size)["tokens"].tolist())


def speeches(text: str) -> list[list[str]]:
    """The words of each speech, in lower case. A speech ends where another speaker begins."""
    return [WORD.findall(part.lower()) for part in END.split(ASIDE.sub(" ", text))]


def pack(words: Sequence[str]) -> Tensor:
    """Words as bytes, uint8 [N, LONGEST], with zeros behind each."""
    rows = [word.encode()[:LONGEST].ljust(LONGEST, b"\0") for word in words]
    return torch.tensor([list(row) for row in rows], dtype=torch.uint8).reshape(-1, LONGEST)


def unpack(byte_NL: Tensor) -> list[str]:
    """The words that `pack` was given."""
    return [bytes(row).rstrip(b"\0").decode() for row in byte_NL.tolist()]


def end_to_end(bags: Iterable[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """All bags as one tensor int64 [R], and where each begins in it, int64 [B]."""
    bags = list(bags)
    size_B = torch.tensor([len(bag) for bag in bags], dtype=torch.int64)
    row_R = torch.tensor([row for bag in bags for row in bag], dtype=torch.int64)
    return row_R, size_B.cumsum(0) - size_B
