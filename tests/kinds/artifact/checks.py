import json
from itertools import pairwise

import torch

from dllab.checks import ArtifactPath, check, holds, play

WEIGHTS = torch.tensor([8.0, 4, 2, 1, 1])
BOOK = {"a": "0", "b": "10", "c": "110", "d": "1110", "e": "1111"}


def letters(rng):
    drawn = torch.multinomial(WEIGHTS, 20, replacement=True, generator=rng)
    return {"letters": (97 + drawn).byte()}


def one_common(rng):
    """A text of one common letter and seven rare ones, where no wrong merge is right by luck."""
    counts = torch.cat([torch.tensor([30]), torch.randint(1, 9, (7,), generator=rng)])
    return {"letters": torch.arange(97, 105).repeat_interleave(counts).byte()}


def bits_by(book, given):
    return torch.tensor([int(bit) for n in given["letters"].tolist() for bit in book[chr(n)]])


def book_probe(lab, given):
    text = "".join(map(chr, given["letters"].tolist()))
    book = lab.code_book(text)
    begun = any(other.startswith(one) for one, other in pairwise(sorted(book.values())))
    return {"bits": torch.tensor(len(bits_by(book, given))), "begun": torch.tensor(begun)}


@check(
    "book",
    "A code book",
    given=one_common,
    probe=book_probe,
    returns={"bits": "int64 []", "begun": "bool []"},
)
def book(given, got):
    """The code of a text is as short as a prefix code can be."""
    counts, total = sorted(n for n in torch.bincount(given["letters"].long()).tolist() if n), 0
    while len(counts) > 1:
        merged = counts[0] + counts[1]
        counts, total = sorted([merged, *counts[2:]]), total + merged
    told = f"expected {total} bits and no code that begins another, got {int(got['bits'])}"
    return holds(int(got["bits"]) == total and not bool(got["begun"]), told)


@check("encode", "Bits of a text", given=letters, expect=lambda given: bits_by(BOOK, given))
def encode(lab, given):
    """`encode` joins the codes of all letters."""
    return lab.encode(given["letters"], BOOK)


def encode_probe(_, given):
    return bits_by(json.loads(ArtifactPath("book.json").path.read_text()), given)


@play("length")
def length(player, rng):
    """Bits for a letter, by the book that was handed in; 9 where they are not the letters' code."""
    text = torch.cat([letters(rng)["letters"] for _ in range(50)])
    said = player.call("encode_by", text, ArtifactPath("book.json"), returns="int64 [*]")
    right = player.probe(encode_probe, {"letters": text}, returns="int64 [*]")
    bits = len(said) / len(text) if torch.equal(said, right) else 9.0
    return torch.full((len(text),), bits)
