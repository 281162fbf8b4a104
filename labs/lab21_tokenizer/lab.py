"""Lab 21: a byte-level BPE tokenizer, from counting words to encoding a stream.

Work through the TODOs from top to bottom; `dllab hint 21 TASK` helps. given.py holds `WORD`, the
regular expression that cuts words, and `Table`, which you learn and use.

An *id* is an int. A word is spelled as a tuple of ids, at first its bytes in UTF-8: "né" is
(110, 195, 169). A *pair* is a tuple of two neighbouring ids. A text is a str that UTF-8 can encode.
"""

import codecs
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from labs.lab21_tokenizer.given import BYTES, WORD, Pair, Table, TableError, plays, save

SPECIAL = ("<|end|>", "<|pad|>")  # always <|name|>, the name of letters: none begins another
MERGES = 768

# 1. Learn a table ---------------------------------------------------------------------------------


def split_special(text: str, special: Sequence[str]) -> list[str]:
    """Cut a text around the special tokens that stand in it."""
    # TODO split: return the pieces in their order.
    # Each special token is a piece by itself, what lies between two is one; no piece is empty, and
    # all of them joined are the text. To a regular expression, | would mean "or": escape it.
    # `special` may be empty.
    raise NotImplementedError("TODO split: return the pieces in their order.")


def count_words(text: str, special: Sequence[str]) -> dict[bytes, int]:
    """Count the words of a text; what counts as a word, given.WORD says."""
    # TODO count-words: return each word's count, by its UTF-8 bytes.
    # Special tokens are not words, and no word reaches over one.
    raise NotImplementedError("TODO count-words: return each word's count, by its UTF-8 bytes.")


def count_pairs(words: Mapping[tuple[int, ...], int]) -> Counter[Pair]:
    """Count neighbouring ids, for words that are spelled as ids and occur so many times."""
    # TODO count-pairs: return how often each pair occurs.
    # A word that occurs 5 times counts 5 times. Each place counts: (7, 7, 7) has (7, 7) twice.
    raise NotImplementedError("TODO count-pairs: return how often each pair occurs.")


def best_pair(counts: Mapping[Pair, int]) -> Pair:
    """Choose what is merged next. `counts` holds at least one pair."""
    # TODO best-pair: return the pair that occurs most often.
    # Of several, the one whose first id is smallest, then the one whose second id is; so the
    # table does not depend on the order of the dict.
    raise NotImplementedError("TODO best-pair: return the pair that occurs most often.")


def merge(word: Sequence[int], pair: Pair, new: int) -> tuple[int, ...]:
    """Spell a word with an id for a pair."""
    # TODO merge: return the word with `new` for each `pair`.
    # It is a tuple. Go from left to right; an id that was merged is used up, so (7, 7, 7) becomes
    # (new, 7).
    raise NotImplementedError("TODO merge: return the word with `new` for each `pair`.")


def train(text: str, merges: int, special: Sequence[str]) -> Table:
    """Learn a table: again and again, the best pair becomes a new id."""
    # TODO train: return the Table of at most `merges` merges.
    # Its `special` is a tuple. Stop earlier when no pair occurs twice. The checks use small texts,
    # where counting anew after each merge will do; the official grade times a large one. For that,
    # keep the counts, and the words that each pair stands in. A merge changes only the words that
    # hold it: take their old pairs off the counts, add their new ones, and drop what falls to 0.
    raise NotImplementedError("TODO train: return the Table of at most `merges` merges.")


# 2. Use it ----------------------------------------------------------------------------------------


def vocabulary(table: Table) -> list[bytes]:
    """Spell out what each id stands for."""
    # TODO vocabulary: return the bytes of each id, in their order.
    # Bytes, then merges, then the special tokens in UTF-8. A merge joins what its two ids are.
    raise NotImplementedError("TODO vocabulary: return the bytes of each id, in their order.")


def encode_word(word: bytes, table: Table) -> tuple[int, ...]:
    """Spell a word by the table's merges."""
    # TODO encode-word: return the word's ids.
    # Begin with its bytes. Of all pairs in the word, merge the one of the lowest rank, wherever it
    # stands; then look again, until no pair has a rank. table.ranks has the rank of each pair.
    raise NotImplementedError("TODO encode-word: return the word's ids.")


def encode(text: str, table: Table, *, plain: bool = False) -> list[int]:
    """Turn a text into ids; text by strangers is `plain`: in it nothing is special."""
    # TODO encode: return the ids of the whole text.
    # Each of the table's special tokens is one id (Table says which), unless the text is plain:
    # then it is text like any other. All else is cut by WORD, and each word encoded by itself.
    raise NotImplementedError("TODO encode: return the ids of the whole text.")


def decode(ids: Iterable[int], table: Table) -> str:
    """Turn ids into the text that they stand for."""
    # TODO decode: return the text.
    # A token may be a piece of a character, so join the bytes first. Bytes that are not UTF-8
    # become the replacement character U+FFFD, as bytes.decode does with errors="replace".
    raise NotImplementedError("TODO decode: return the text.")


# 3. Streams, and a file ---------------------------------------------------------------------------


def decode_stream(ids: Iterable[int], table: Table) -> Iterator[str]:
    """Decode ids as they come, such as those that a model writes."""
    # TODO decode-stream: yield text for each id.
    # Do so before the next one is taken: "" where a character is still unfinished.
    # Behind the last id, yield what its end leaves open. All of it joined is what `decode` returns.
    # codecs.getincrementaldecoder("utf-8")("replace") remembers unfinished characters.
    raise NotImplementedError("TODO decode-stream: yield text for each id.")


def settled(text: str, special: Sequence[str]) -> int:
    """Say how far a text can be encoded that goes on, nobody knows how."""
    # TODO settled: return how many characters no further text affects.
    # Hold back the beginning of a special token at the end: "<|en" could become "<|end|>". Of the
    # text before that, hold back the last word: it could grow, and a lone space could join the next
    # word. (Sometimes that is more than must be: in "a<|en", "a" is safe.) A whole special token
    # at the end settles everything before it, and itself.
    raise NotImplementedError("TODO settled: return how many characters no further text affects.")


def encode_stream(pieces: Iterable[str], table: Table) -> Iterator[int]:
    """Encode a text that comes in pieces, cut anywhere, and never hold all of it."""
    # TODO encode-stream: yield the ids that the whole text has.
    # After each piece, yield those of what is settled, before the next is taken; at the end, the
    # rest. Keep nothing else.
    raise NotImplementedError("TODO encode-stream: yield the ids that the whole text has.")


def load_table(path: Path) -> Table:
    """Read what given.save has written, or somebody else has."""
    # TODO load: return the Table, equal to the one that was saved.
    # JSON knows no tuples: make them of the lists. The file may be a stranger's: raise TableError,
    # with the merge's rank in the message, for the first of these lists that is not two ints
    # (type(one) is int), or repeats an earlier pair, or has an id that is not known by then: one
    # that is neither a byte nor made by an earlier merge.
    raise NotImplementedError("TODO load: return the Table, equal to the one that was saved.")


def encode_by(text: str, path: Path) -> Tensor:
    """The ids of a text by the table in a file, int64 [tokens]; so your table is graded."""
    return torch.tensor(encode(text, load_table(path)), dtype=torch.int64)


def make_artifacts(folder: Path, _models: Mapping[str, object]) -> None:
    """Learn a table from the training plays, and write it; `dllab train 21` calls this."""
    save(train(plays(), MERGES, SPECIAL), folder / "tokenizer.json")
