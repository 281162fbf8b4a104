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
    # BEGIN SOLUTION split: return the pieces in their order.
    # Each special token is a piece by itself, what lies between two is one; no piece is empty, and
    # all of them joined are the text. To a regular expression, | would mean "or": escape it.
    # `special` may be empty.
    if not special:
        return [text] if text else []
    pattern = "|".join(re.escape(one) for one in special)
    return [piece for piece in re.split(f"({pattern})", text) if piece]
    # END SOLUTION


def count_words(text: str, special: Sequence[str]) -> dict[bytes, int]:
    """Count the words of a text; what counts as a word, given.WORD says."""
    # BEGIN SOLUTION count-words: return each word's count, by its UTF-8 bytes.
    # Special tokens are not words, and no word reaches over one.
    ordinary = (piece for piece in split_special(text, special) if piece not in special)
    found = Counter(word for piece in ordinary for word in WORD.findall(piece))
    return {word.encode(): times for word, times in found.items()}
    # END SOLUTION


def count_pairs(words: Mapping[tuple[int, ...], int]) -> Counter[Pair]:
    """Count neighbouring ids, for words that are spelled as ids and occur so many times."""
    # BEGIN SOLUTION count-pairs: return how often each pair occurs.
    # A word that occurs 5 times counts 5 times. Each place counts: (7, 7, 7) has (7, 7) twice.
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] += times
    return counts
    # END SOLUTION


def best_pair(counts: Mapping[Pair, int]) -> Pair:
    """Choose what is merged next. `counts` holds at least one pair."""
    # BEGIN SOLUTION best-pair: return the pair that occurs most often.
    # Of several, the one whose first id is smallest, then the one whose second id is; so the
    # table does not depend on the order of the dict.
    top = max(counts.values())
    return min(pair for pair, times in counts.items() if times == top)
    # END SOLUTION


def merge(word: Sequence[int], pair: Pair, new: int) -> tuple[int, ...]:
    """Spell a word with an id for a pair."""
    # BEGIN SOLUTION merge: return the word with `new` for each `pair`.
    # It is a tuple. Go from left to right; an id that was merged is used up, so (7, 7, 7) becomes
    # (new, 7).
    merged: list[int] = []
    place = 0
    while place < len(word):
        here = tuple(word[place : place + 2]) == pair
        merged.append(new if here else word[place])
        place += 2 if here else 1
    return tuple(merged)
    # END SOLUTION


def train(text: str, merges: int, special: Sequence[str]) -> Table:
    """Learn a table: again and again, the best pair becomes a new id."""
    # BEGIN SOLUTION train: return the Table of at most `merges` merges.
    # Its `special` is a tuple. Stop earlier when no pair occurs twice. The checks use small texts,
    # where counting anew after each merge will do; the official grade times a large one. For that,
    # keep the counts, and the words that each pair stands in. A merge changes only the words that
    # hold it: take their old pairs off the counts, add their new ones, and drop what falls to 0.
    found = count_words(text, special)
    spelled, often = [tuple(word) for word in found], list(found.values())
    counts = count_pairs(dict(zip(spelled, often, strict=True)))
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for number, word in enumerate(spelled):
        for pair in pairwise(word):
            places[pair].add(number)
    learned: list[Pair] = []
    while len(learned) < merges and counts and counts[best := best_pair(counts)] > 1:
        for number in places.pop(best):
            for pair in pairwise(spelled[number]):
                counts[pair] -= often[number]
                if not counts[pair]:
                    del counts[pair]
            spelled[number] = merge(spelled[number], best, BYTES + len(learned))
            for pair in pairwise(spelled[number]):
                counts[pair] += often[number]
                places[pair].add(number)
        learned.append(best)
    return Table(tuple(learned), tuple(special))
    # END SOLUTION


# 2. Use it ----------------------------------------------------------------------------------------


def vocabulary(table: Table) -> list[bytes]:
    """Spell out what each id stands for."""
    # BEGIN SOLUTION vocabulary: return the bytes of each id, in their order.
    # Bytes, then merges, then the special tokens in UTF-8. A merge joins what its two ids are.
    tokens = [bytes([byte]) for byte in range(BYTES)]
    for first, second in table.merges:
        tokens.append(tokens[first] + tokens[second])
    return tokens + [one.encode() for one in table.special]
    # END SOLUTION


def encode_word(word: bytes, table: Table) -> tuple[int, ...]:
    """Spell a word by the table's merges."""
    # BEGIN SOLUTION encode-word: return the word's ids.
    # Begin with its bytes. Of all pairs in the word, merge the one of the lowest rank, wherever it
    # stands; then look again, until no pair has a rank. table.ranks has the rank of each pair.
    ids = tuple(word)
    while known := [pair for pair in pairwise(ids) if pair in table.ranks]:
        first = min(known, key=lambda pair: table.ranks[pair])
        ids = merge(ids, first, BYTES + table.ranks[first])
    return ids
    # END SOLUTION


def encode(text: str, table: Table, *, plain: bool = False) -> list[int]:
    """Turn a text into ids; text by strangers is `plain`: in it nothing is special."""
    # BEGIN SOLUTION encode: return the ids of the whole text.
    # Each of the table's special tokens is one id (Table says which), unless the text is plain:
    # then it is text like any other. All else is cut by WORD, and each word encoded by itself.
    special = () if plain else table.special
    ids: list[int] = []
    for piece in split_special(text, special):
        if piece in special:
            ids.append(BYTES + len(table.merges) + special.index(piece))
        else:
            for word in WORD.findall(piece):
                ids += encode_word(word.encode(), table)
    return ids
    # END SOLUTION


def decode(ids: Iterable[int], table: Table) -> str:
    """Turn ids into the text that they stand for."""
    # BEGIN SOLUTION decode: return the text.
    # A token may be a piece of a character, so join the bytes first. Bytes that are not UTF-8
    # become the replacement character U+FFFD, as bytes.decode does with errors="replace".
    tokens = vocabulary(table)
    return b"".join(tokens[one] for one in ids).decode(errors="replace")
    # END SOLUTION


# 3. Streams, and a file ---------------------------------------------------------------------------


def decode_stream(ids: Iterable[int], table: Table) -> Iterator[str]:
    """Decode ids as they come, such as those that a model writes."""
    # BEGIN SOLUTION decode-stream: yield text for each id.
    # Do so before the next one is taken: "" where a character is still unfinished.
    # Behind the last id, yield what its end leaves open. All of it joined is what `decode` returns.
    # codecs.getincrementaldecoder("utf-8")("replace") remembers unfinished characters.
    tokens = vocabulary(table)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for one in ids:
        yield decoder.decode(tokens[one])
    yield decoder.decode(b"", final=True)
    # END SOLUTION


def settled(text: str, special: Sequence[str]) -> int:
    """Say how far a text can be encoded that goes on, nobody knows how."""
    # BEGIN SOLUTION settled: return how many characters no further text affects.
    # Hold back the beginning of a special token at the end: "<|en" could become "<|end|>". Of the
    # text before that, hold back the last word: it could grow, and a lone space could join the next
    # word. (Sometimes that is more than must be: in "a<|en", "a" is safe.) A whole special token
    # at the end settles everything before it, and itself.
    open_ends = (n for one in special for n in range(len(one)) if text.endswith(one[:n]))
    before = text[: len(text) - max(open_ends, default=0)]
    pieces = split_special(before, special)
    if not pieces or pieces[-1] in special:
        return len(before)
    return len(before) - len(WORD.findall(pieces[-1])[-1])
    # END SOLUTION


def encode_stream(pieces: Iterable[str], table: Table) -> Iterator[int]:
    """Encode a text that comes in pieces, cut anywhere, and never hold all of it."""
    # BEGIN SOLUTION encode-stream: yield the ids that the whole text has.
    # After each piece, yield those of what is settled, before the next is taken; at the end, the
    # rest. Keep nothing else.
    waiting = ""
    for piece in pieces:
        waiting += piece
        end = settled(waiting, table.special)
        yield from encode(waiting[:end], table)
        waiting = waiting[end:]
    yield from encode(waiting, table)
    # END SOLUTION


def load_table(path: Path) -> Table:
    """Read what given.save has written, or somebody else has."""
    # BEGIN SOLUTION load: return the Table, equal to the one that was saved.
    # JSON knows no tuples: make them of the lists. The file may be a stranger's: raise TableError,
    # with the merge's rank in the message, for the first of these lists that is not two ints
    # (type(one) is int), or repeats an earlier pair, or has an id that is not known by then: one
    # that is neither a byte nor made by an earlier merge.
    content = json.loads(path.read_text(encoding="utf-8"))
    merges = [tuple(pair) for pair in content["merges"]]
    for rank, pair in enumerate(merges):
        known = all(type(one) is int and 0 <= one < BYTES + rank for one in pair)
        if len(pair) != 2 or not known or pair in merges[:rank]:
            raise TableError(f"the merge of rank {rank} cannot be: {pair}")
    return Table(tuple(merges), tuple(content["special"]))
    # END SOLUTION


def encode_by(text: str, path: Path) -> Tensor:
    """The ids of a text by the table in a file, int64 [tokens]; so your table is graded."""
    return torch.tensor(encode(text, load_table(path)), dtype=torch.int64)


def make_artifacts(folder: Path, _models: Mapping[str, object]) -> None:
    """Learn a table from the training plays, and write it; `dllab train 21` calls this."""
    save(train(plays(), MERGES, SPECIAL), folder / "tokenizer.json")
