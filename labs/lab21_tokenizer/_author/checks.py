"""The hidden checks of lab 21: what they draw, what is right."""

import torch

from dllab.checks import Arrays, Given, Outcome, check, every, holds, integers
from labs.lab21_tokenizer import checks
from labs.lab21_tokenizer._author import probes


@checks.train.also("long-text", "A longer text")
def long_text(rng: torch.Generator) -> Arrays:
    """Forty merges of a longer text are those of counting anew."""
    return {**checks.short_text(rng, 400), "most": torch.tensor(40)}


@checks.encode_word.also("foreign-table", "A foreign table")
def foreign_table(rng: torch.Generator) -> Arrays:
    """A long word is spelled by forty merges of another text, learned with other ties."""
    text, other = ("".join("abé"[i] for i in integers(0, 3, 120)(rng)) for _ in range(2))
    merges = checks.learned({other.encode(): 1}, 40, max).merges
    return {"merges": torch.tensor(merges), "text": torch.tensor([*map(ord, text)])}


ODD = [0xFEFF, ord("e"), 0x301, 0x212B, 0xFB01, 13, 10, 0x200D, 0x1F469, 0x200D, 0x1F680]


def any_text(rng: torch.Generator) -> Arrays:
    """Draw code points of all planes, without surrogates; and a table."""
    code = torch.cat([torch.randint(1, 2**bits, (30,), generator=rng) for bits in (7, 11, 15, 20)])
    code = torch.cat([code[torch.randperm(len(code), generator=rng)], torch.tensor(ODD)])
    return {**checks.foreign(rng), "text": code[(code < 0xD800) | (code > 0xDFFF)]}


@check(
    "any-text",
    "Any text comes back",
    given=any_text,
    probe=probes.any_text,
    depends_on=("encode", "decode"),
    hint="decode",
)
def comes_back(given: Given) -> Arrays:
    """Characters of every plane of Unicode get the right ids, and come back."""
    text, table = checks.special_text(given), checks.table_of(given)
    ids = checks.encoded(text, table)
    return {"ids": torch.tensor(ids), "text": torch.tensor([*map(ord, text)])}


MOST_BYTES = 200_000


@check(
    "stream-memory",
    "A long stream in little memory",
    given={"letter": integers(97, 123, 63)},
    probe=probes.stream_memory,
    returns={"encoded": "int64 [2]", "decoded": "int64 [2]"},
    depends_on=("encode-stream", "decode-stream"),
    hint="encode-stream",
)
def stream_memory(_given: Given, got: Arrays) -> Outcome:
    """384,000 bytes of text are encoded, and decoded, in less than 200,000 of memory."""
    told = "{} are {} of {} bytes, and {:,} bytes of memory were held at once"
    whole = 64 * probes.WORDS * probes.PIECES
    return every(
        *(
            holds(
                int(held) < MOST_BYTES and int(came) == whole, told.format(way, came, whole, held)
            )
            for way in ("encoded", "decoded")
            for came, held in [got[way].tolist()]
        )
    )


speed = probes.against_the_reference  # a timing's probe enters the sandbox
