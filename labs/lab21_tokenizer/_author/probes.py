"""The probes of hidden checks, and the timing: what enters the sandbox."""

import tracemalloc
from collections.abc import Callable, Iterable
from itertools import repeat
from types import ModuleType

import torch
from torch import Tensor

from dllab.checks import Arrays, Given, timing
from dllab.data import find, load
from labs.lab21_tokenizer.checks import as_ids, special_text, spell, table_of
from labs.lab21_tokenizer.given import Table

PIECES, WORDS = 100, 60


def any_text(lab: ModuleType, given: Given) -> Arrays:
    """Ids of a text, and the text that they give."""
    ids = as_ids(lab.encode(special_text(given), table_of(given)))
    text = lab.decode(ids, table_of(given))
    return {"ids": torch.tensor(ids), "text": torch.tensor([*map(ord, text)])}


def stream_memory(lab: ModuleType, given: Given) -> Arrays:
    """How much comes of a long text and of its ids, and the most that was held meanwhile."""
    piece, table = f" {spell(given.letter)}" * WORDS, Table(())
    encoded = peak_of(lambda: sum(1 for _ in lab.encode_stream(repeat(piece, PIECES), table)))
    ids: Iterable[int] = (one for _ in range(PIECES) for one in piece.encode())
    decoded = peak_of(lambda: sum(map(len, lab.decode_stream(ids, table))))
    return {"encoded": torch.tensor(encoded), "decoded": torch.tensor(decoded)}


def peak_of(count: Callable[[], int]) -> tuple[int, int]:
    """What is counted, and the bytes that Python held at most."""
    tracemalloc.start()
    try:
        return count(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def part_of_the_plays(rng: torch.Generator) -> Arrays:
    """Draw 100,000 characters in a row of the training plays."""
    token = load("shakespeare", "train")["tokens"]
    begin = int(torch.randint(len(token) - 100_000, (), generator=rng))
    code = torch.tensor([*map(ord, "".join(find("shakespeare").vocabulary()[2:]))])
    return {"text": code[(token[begin : begin + 100_000] - 2).clamp(0)]}


@timing("against-the-reference", given=part_of_the_plays, rounds=7)
def against_the_reference(lab: ModuleType, given: Arrays) -> Tensor:
    """`train` learns 120 merges in little more time than the reference."""
    table = lab.train("".join(map(chr, given["text"].tolist())), 120, ())
    return torch.tensor(table.merges)
