"""The visible checks of lab 21, in the order of its tasks, and the play on new plays.

What is right is found on strings, slowly.
"""

import codecs
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from dllab.checks import (
    Arrays,
    ArtifactPath,
    Given,
    Player,
    PlayItems,
    integers,
    play,
)
from dllab.checks.calls import Way, check_calls
from dllab.checks.probing import ReturnedError
from dllab.checks.tools import instance
from dllab.data import find
from labs.lab21_tokenizer.given import BYTES, WORD, Pair, Table, TableError, save

END, PAD = SPECIAL = ("<|end|>", "<|pad|>")
ENDS = [one.encode() for one in SPECIAL]
Draw = Callable[[torch.Generator], Arrays]


def as_ids(value: Any) -> list[int]:
    """Ids that learner code returned or yielded."""
    ids = [*instance(value, Iterable)]
    if wrong := [one for one in ids if type(one) is not int]:
        raise ReturnedError(f"ids should be of type int, one is {wrong[0]!r}")
    return ids


def spell(code: Tensor) -> str:
    """Code points as a text."""
    return "".join(map(chr, code.tolist()))


def letters(rng: torch.Generator) -> Arrays:
    """Draw three words of three letters."""
    return {"letter": integers(97, 123, 3, 3)(rng)}


def other_ids(count: int) -> Draw:
    """Draw some bytes that differ, and two counts."""
    times = integers(3, 9, 2)
    return lambda rng: {"id": torch.randperm(99, generator=rng)[:count], "times": times(rng)}


# Learning a table ---------------------------------------------------------------------------------


def cut(text: str, special: Sequence[str] = SPECIAL, *, empty: bool = False) -> list[str]:
    """A text around its special tokens."""
    for one in special:
        text = text.replace(one, f"\0{one}\0")
    return [piece for piece in text.split("\0") if piece or empty]


def split_texts(g: Given) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Special tokens at the ends, side by side and none at all."""
    a, b, c = map(spell, g.letter)
    yield from (
        (f"{END}{a} |{b} {PAD}{END}{c}<|", SPECIAL),
        (f"{a} {END}", ()),
        ("", SPECIAL),
        ("", ()),
    )


def unescaped(text: str, special: Sequence[str]) -> list[str]:
    """Cut by a pattern in which | means "or"."""
    return [p for p in re.split(f"({'|'.join(special)})", text) if p] if special else cut(text, ())


SPLIT = {
    "empty pieces are left in": lambda t, s: cut(t, s, empty=bool(s)),
    "empty pieces are left in, and an empty text": partial(cut, empty=True),
    "the special tokens are lost: a group () in the pattern keeps them": lambda t, s: [
        piece for piece in cut(t, s) if piece not in s
    ],
    "in a pattern | means or: re.escape": unescaped,
    "without special tokens, nothing is to be cut": lambda t, s: cut(t, s) if s else [*t],
    "white space was stripped": lambda t, s: [piece.strip() for piece in cut(t, s)],
}


@check_calls(
    "split",
    "Special tokens cut out",
    given=letters,
    calls=split_texts,
    expect=cut,
    mistakes=SPLIT,
)
def split(lab: ModuleType) -> Way:
    """`split_special` cuts a text around its special tokens and loses nothing."""
    return lambda text, special: [*instance(lab.split_special(text, special), Iterable)]


def counted(text: str, special: Sequence[str] = SPECIAL, word: re.Pattern[str] = WORD) -> Any:
    """How often each word occurs."""
    pieces = (piece for piece in cut(text, special) if piece not in special)
    return Counter(found.encode() for piece in pieces for found in word.findall(piece))


def tally(way: Way) -> Way:
    """Counts in the order of what is counted."""

    def sorted_counts(*values: Any) -> dict[Any, int]:
        return dict(sorted(instance(way(*values), Mapping).items(), key=str))

    return sorted_counts


def word_texts(g: Given) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Words that repeat, with special tokens between and inside of them."""
    a, b, c = map(spell, g.letter)
    yield f"{a} né {a} {a}  {b}!{PAD}{c}é{END}{b} {a}{END}{a}", SPECIAL


COUNT_WORDS = {
    "special tokens are counted as words": tally(lambda t, s: counted(t, ())),
    "special tokens are not words": tally(
        lambda t, s: counted(t, s) + Counter(p.encode() for p in cut(t) if p in s)
    ),
    "special tokens are not words: leave these pieces out": tally(
        lambda t, s: Counter(w.encode() for p in cut(t) for w in WORD.findall(p))
    ),
    "the space before a word belongs to it": tally(
        lambda t, s: Counter(one.strip() for one in counted(t).elements())
    ),
    "words reach over a special token: take the pieces one by one": tally(
        lambda t, s: counted("".join(p for p in cut(t) if p not in s))
    ),
    "a word is what WORD matches": tally(lambda t, s: counted(t, s, re.compile(r"\S+"))),
    "the keys are str: word.encode()": tally(
        lambda t, s: {word.decode(): n for word, n in counted(t).items()}
    ),
    "each word is counted once": tally(lambda t, s: dict.fromkeys(counted(t), 1)),
}


@check_calls(
    "count-words",
    "Words counted",
    given=letters,
    calls=word_texts,
    expect=tally(counted),
    mistakes=COUNT_WORDS,
    depends_on=("split",),
)
def count_words(lab: ModuleType) -> Way:
    """`count_words` counts the words of all pieces, by their bytes."""
    return tally(lab.count_words)


def some_words(g: Given) -> Iterator[tuple[dict[tuple[int, ...], int]]]:
    """Spelled words, how often they occur, and one that has no pair."""
    a, b, c = g.id.tolist()
    few, many = g.times.tolist()
    yield ({(a, b, a, b): many, (c, c, c): few, (b, a): few + 1, (c,): 3},)


def paired(words: Mapping[Any, int], pairs: Way = pairwise, *, weigh: bool = True) -> Any:
    """Counts of neighbouring ids."""
    found: Counter[Pair] = Counter()
    for word, n in words.items():
        for pair in pairs(word):
            found[pair] += n if weigh else 1
    return found


COUNT_PAIRS = {
    "each word counts once, however often it occurs": tally(partial(paired, weigh=False)),
    "a pair counts once a word: count every place": tally(
        partial(paired, pairs=lambda word: {*pairwise(word)})
    ),
    "the last pair of each word is missing": tally(
        partial(paired, pairs=lambda word: pairwise(word[:-1]))
    ),
    "pairs overlap: in (a, b, c) there are (a, b) and (b, c)": tally(
        partial(paired, pairs=lambda word: zip(word[::2], word[1::2], strict=False))
    ),
    "a count replaces an earlier one: add to it": tally(
        lambda words: {pair: n for word, n in words.items() for pair in pairwise(word)}
    ),
    "pairs that overlap are left out: (7, 7, 7) has two": tally(
        lambda w: paired(w) | {p: n // 2 for p, n in paired(w).items() if p[0] == p[1]}
    ),
    "pairs reach from one word into the next": tally(
        lambda w: paired({tuple(one for word, n in w.items() for one in word * n): 1})
    ),
    "(a, b) is not (b, a)": tally(
        lambda w: paired(w) + paired({word[::-1]: n for word, n in w.items()})
    ),
}


@check_calls(
    "count-pairs",
    "Pairs counted",
    given=other_ids(3),
    calls=some_words,
    expect=tally(paired),
    mistakes=COUNT_PAIRS,
)
def count_pairs(lab: ModuleType) -> Way:
    """`count_pairs` counts each place of each word as often as the word occurs."""
    return tally(lab.count_pairs)


def tied(g: Given) -> Iterator[tuple[dict[Pair, int]]]:
    """Pairs with their counts, six of them equally frequent."""
    w, x, y, z = sorted(g.id.tolist())
    best = dict.fromkeys([(y, z), (z, x), (x, z), (x, x), (z, w), (x, y)], int(g.times[0]))
    yield ({(w, x): 1, **best, (w, w): int(g.times[0]) - 1},)


def ranked(counts: Mapping[Pair, int], choose: Way = min, **how: Any) -> Any:
    """One of the most frequent pairs."""
    return choose((pair for pair in counts if counts[pair] == max(counts.values())), **how)


BEST_PAIR = {
    "of equally frequent pairs the first of the dict is taken": partial(ranked, choose=next),
    "of equally frequent pairs the last of the dict is taken": partial(
        ranked, choose=lambda pairs: [*pairs][-1]
    ),
    "of equally frequent pairs the largest is taken": partial(ranked, choose=max),
    "of equally frequent pairs with one first id, the second id decides": partial(
        ranked, key=lambda pair: pair[0]
    ),
    "the second id decides before the first": partial(ranked, key=lambda pair: pair[::-1]),
    "the smallest pair is taken, whatever its count": min,
    "the rarest pair is taken": lambda counts: min(counts, key=counts.get),
    "the pair alone is asked for, without its count": lambda counts: max(
        counts.items(), key=lambda item: item[1]
    ),
}


@check_calls(
    "best-pair",
    "The next merge",
    given=other_ids(4),
    calls=tied,
    expect=ranked,
    mistakes=BEST_PAIR,
)
def best_pair(lab: ModuleType) -> Way:
    """`best_pair` takes the most frequent pair, of several the smallest."""
    return lambda counts: instance(lab.best_pair(dict(counts)), tuple)


def to_merge(g: Given) -> Iterator[tuple[tuple[int, ...], Pair, int]]:
    """Words and pairs."""
    a, b = g.id.tolist()
    for word in ((a, a, a), (a, a, a, a, b), (a,)):
        yield word, (a, a), 300
    yield (b, a, b, a, b, b, a), (a, b), 301


def replaced(word: Sequence[int], pair: Sequence[int], new: int, count: int = -1) -> Any:
    """A word with an id for a pair, by str.replace."""
    spelled = "".join(map(chr, word)).replace("".join(map(chr, pair)), chr(new), count)
    return tuple(map(ord, spelled))


def overlapping(word: tuple[int, ...], pair: Pair, new: int) -> tuple[int, ...]:
    """The new id for each place of a pair, though the places share ids."""
    hit = [False, *(here == pair for here in pairwise(word)), False]
    places = zip(word, hit, hit[1:], strict=False)
    return tuple(new if first else one for one, second, first in places if first or not second)


MERGE = {
    "an id is used twice: of (7, 7, 7) only two are merged": overlapping,
    "only the first place is merged": lambda w, p, new: replaced(w, p, new, 1),
    "a pair's second id stays: go on by two": lambda w, p, new: tuple(
        new if (*w[i : i + 2],) == p else one for i, one in enumerate(w)
    ),
    "the last id is lost where no pair ends": lambda w, p, new: (merged := replaced(w, p, new))[
        : len(merged) - (merged[-1] != new)
    ],
    "this goes from right to left": lambda w, p, new: replaced(w[::-1], p[::-1], new)[::-1],
    "the pair stays beside the new id": lambda w, p, new: tuple(
        one for i in replaced(w, p, new) for one in ((*p, new) if i == new else (i,))
    ),
}


@check_calls(
    "merge",
    "An id for a pair",
    given=other_ids(2),
    calls=to_merge,
    expect=replaced,
    mistakes=MERGE,
)
def merge(lab: ModuleType) -> Way:
    """`merge` replaces a pair everywhere, from left to right."""
    return lambda word, pair, new: tuple(as_ids(instance(lab.merge(word, pair, new), tuple)))


def learned(
    words: Mapping[bytes, int],
    most: int,
    choose: Way = min,
    *,
    begin: int = BYTES,
    weigh: bool = True,
    apply: bool = True,
    least: int = 2,
) -> Table:
    """Merges, counted anew each time; a word is a string of one character an id."""
    spelled, merges = [(word.decode("latin-1"), n) for word, n in words.items()], list[Pair]()
    while len(merges) < most:
        found: Counter[Pair] = Counter()
        for word, n in spelled:
            for pair in pairwise(map(ord, word)):
                found[pair] += (n if weigh else 1) * (apply or pair not in merges)
        if max(found.values(), default=0) < least:
            break
        merges.append(ranked(found, choose))
        if apply:
            old, new = "".join(map(chr, merges[-1])), chr(begin + len(merges) - 1)
            spelled = [(word.replace(old, new), n) for word, n in spelled]
    return Table(tuple(merges), SPECIAL)


def learn(**how: Any) -> Way:
    """A way to learn a table from a text."""
    return lambda text, most, _: learned(counted(text), most, **how)


def short_text(rng: torch.Generator, words: int = 40) -> Arrays:
    """Draw a text of few words, some of them frequent, with special tokens in it."""
    lengths = torch.randint(2, 6, (words,), generator=rng).tolist()
    parts = [spell(torch.randint(97, 100, (length,), generator=rng)) for length in lengths]
    often = torch.multinomial(torch.linspace(1, 0, words) ** 4, words, True, generator=rng)
    text = " ".join(parts[i] for i in often.tolist())
    return {
        "text": torch.tensor([*map(ord, text[:60] + 9 * END + text[60:])]),
        "most": torch.tensor(7),
    }


TRAIN = {
    "of equally frequent pairs another is taken: ask best_pair": learn(choose=max),
    "ties depend on the order in which pairs were met": learn(choose=next),
    "each word counts once, however often it occurs": learn(weigh=False),
    "merges reach from word to word": lambda t, most, s: learned(
        Counter(p.encode() for p in cut(t) if p not in s), most
    ),
    "special tokens are merged as well": lambda t, most, s: learned(counted(t, ()), most),
    "the new ids begin at 256, the special tokens come behind": learn(begin=BYTES + 2),
    "no merge was applied: these are the best pairs of bytes": learn(apply=False),
    "each round found the same pair: spell the words with its id": lambda t, most, s: Table(
        learned(counted(t), 1).merges * most, SPECIAL
    ),
    "the table's special tokens are missing": lambda t, most, s: Table(
        learned(counted(t), most).merges
    ),
    "the table's special tokens are a tuple": lambda t, most, s: Table(
        learned(counted(t), most).merges,
        [*SPECIAL],
    ),
    "there is one merge too many": lambda t, most, s: learned(counted(t), most + 1),
    "one merge is missing": lambda t, most, s: learned(counted(t), most - 1),
    "a pair that occurs once is merged as well": learn(least=1),
    "a pair that occurs twice is left out": learn(least=3),
}


@check_calls(
    "train",
    "A table, learned",
    given=short_text,
    calls=lambda g: [
        (text, most, [*SPECIAL])
        for text, most in ((spell(g.text), int(g.most)), ("ab abc b", 9), (f"ab{END}ab", 9))
    ],
    expect=learn(),
    mistakes=TRAIN,
    depends_on=("count-words", "count-pairs", "best-pair", "merge"),
)
def train(lab: ModuleType) -> Way:
    """`train` merges the best pair again and again, until there are enough or none occurs twice."""
    return lambda text, most, special: instance(lab.train(text, most, special), Table)


# Using a table ------------------------------------------------------------------------------------


def foreign(rng: torch.Generator, count: int = 10, alphabet: str = "ab é") -> Arrays:
    """Draw a table of merges of a few bytes, in any order of use, and a text of those letters."""
    ids, merges = sorted(set(alphabet.encode())), dict[Pair, None]()
    while len(merges) < count:
        known = [*ids, *range(BYTES, BYTES + len(merges))]
        first, second = torch.randint(len(known), (2,), generator=rng).tolist()
        merges[known[first], known[second]] = None
    place = torch.randint(len(alphabet), (24,), generator=rng)
    text = torch.tensor([*map(ord, alphabet)])[place]
    text[-1] = ord("é")
    return {"merges": torch.tensor([*merges]), "text": text, "cut": integers(17, 30, 2)(rng)}


def table_of(g: Given) -> Table:
    """The drawn table."""
    return Table(tuple((a, b) for a, b in g.merges.tolist()), SPECIAL)


def special_text(g: Given) -> str:
    """The drawn text with special tokens, one of them within a word."""
    text = spell(g.text)
    return f"{text[:9]}{PAD}{text[9:]}{END}"


def tokens_of(
    table: Table, mean: Callable[[int], bytes] = lambda one: bytes([one]), before: Any = ()
) -> list[bytes]:
    """What bytes and merges stand for."""
    tokens = [*map(mean, range(BYTES)), *before]
    for pair in table.merges:
        tokens += [b"".join(tokens[one] for one in pair)]
    return tokens


VOCABULARY = {
    "the special tokens come last": lambda t, _: tokens_of(t, before=ENDS)[255:],
    "the special tokens are bytes, too: encode them": lambda t, _: [*tokens_of(t)[255:], *SPECIAL],
    "bytes(65) are 65 zero bytes: bytes([65])": lambda t, _: tokens_of(t, bytes)[255:] + ENDS,
    "the special tokens are missing": lambda t, _: tokens_of(t)[255:],
    "id 255 is the byte 255, bytes([255]), and not a character": lambda t, _: (
        tokens_of(t, lambda one: chr(one).encode())[255:] + ENDS
    ),
    "first and second are swapped": lambda t, _: (
        tokens_of(Table(tuple((b, a) for a, b in t.merges)))[255:] + ENDS
    ),
}


@check_calls(
    "vocabulary",
    "What ids stand for",
    given=lambda rng: foreign(rng, 4, "ab"),
    calls=lambda g: [(table_of(g), "ids from 255")],
    expect=lambda t, _: tokens_of(t)[255:] + ENDS,
    mistakes=VOCABULARY,
)
def vocabulary(lab: ModuleType) -> Way:
    """`vocabulary` gives the bytes of each id: bytes, merges, special tokens."""
    return lambda table, _: [*instance(lab.vocabulary(table), list)][255:]


def by_rank(word: bytes, table: Table, *, first: bool = False) -> tuple[int, ...]:
    """Every merge in the order of the ranks, by str.replace; or those of the first pairs alone."""
    now = (*word,)
    for rank, pair in enumerate(table.merges):
        if not first or pair in pairwise(word):
            now = replaced(now, pair, BYTES + rank)
    return now


def by_choice(
    word: bytes, table: Table, choose: Way = min, *, again: bool = True, begin: int = BYTES
) -> Any:
    """The rank that is chosen of those that occur, everywhere; again and again, or once."""
    now = (*word,)
    while found := [table.merges.index(p) for p in pairwise(now) if p in table.merges]:
        rank = choose(iter(found))
        now = replaced(now, table.merges[rank], begin + rank)
        if not again:
            break
    return now


def by_length(word: bytes, table: Table) -> tuple[int, ...]:
    """The longest token first, from left to right."""
    ids, tokens = list[int](), tokens_of(table)
    while word:
        ids.append(
            max(
                (i for i, t in enumerate(tokens) if word.startswith(t)),
                key=lambda i: len(tokens[i]),
            )
        )
        word = word[len(tokens[ids[-1]]) :]
    return tuple(ids)


ENCODE_WORD = {
    "the first pair from the left was merged: the one of the lowest rank": partial(
        by_choice, choose=next
    ),
    "the highest rank is merged first": partial(by_choice, choose=max),
    "the longest token was taken first: the pair of the lowest rank": by_length,
    "only one pair is merged: look again, until none has a rank": partial(by_choice, again=False),
    "pairs that a merge makes are left alone: look again behind each": partial(by_rank, first=True),
    "nothing was merged: a pair without a rank must not end the search": lambda w, _: (*w,),
    "a rank is not an id: add 256": partial(by_choice, begin=0),
    "no place is kept for special tokens: an id is 256 + rank": partial(by_choice, begin=BYTES + 2),
}


@check_calls(
    "encode-word",
    "A word by ranks",
    given=lambda rng: foreign(rng, 20, "ab"),
    calls=lambda g: [(spell(g.text).encode(), table_of(g)), (b"a", table_of(g))],
    expect=by_rank,
    mistakes=ENCODE_WORD,
    depends_on=("merge",),
)
def encode_word(lab: ModuleType) -> Way:
    """`encode_word` merges the pair of the lowest rank, until none of its pairs has one."""

    def way(word: bytes, table: Table) -> tuple[int, ...]:
        ids = tuple(as_ids(lab.encode_word(word, table)))
        if table.ranks != Table(table.merges).ranks:
            raise ReturnedError("table.ranks was changed: the next word needs it")
        return ids

    return way


def encoded(
    text: str, table: Table, plain: bool = False, *, shift: int = 0, apart: bool = False
) -> list[int]:
    """All ids of a text."""
    found, special = list[int](), table.special
    for piece in [text] if plain and not apart else cut(text, special):
        if piece in special and not plain:
            found += [BYTES + len(table.merges) + shift + special.index(piece)]
        else:
            found += (one for word in WORD.findall(piece) for one in by_rank(word.encode(), table))
    return found


def as_whole(text: str, table: Table, plain: bool = False) -> list[int]:
    """Ids where merges reach from word to word."""
    found = list[int]()
    for piece in [text] if plain else cut(text, table.special):
        special = piece in table.special and not plain
        found += encoded(piece, table) if special else by_rank(piece.encode(), table)
    return found


SEPARATED = Table(((33, 60), (60, 124)), ("<|sep|>",))  # "!<" is a token of plain text only
ENCODE = {
    "merges reach from word to word: cut by WORD first": as_whole,
    "special tokens are split: each is one id": lambda s, t, plain=False: encoded(s, t, True),
    "plain text is cut at special tokens, too: to WORD they are text": partial(encoded, apart=True),
    "other tables have other special tokens: table.special": lambda s, t, plain=False: encoded(
        s, replace(t, special=SPECIAL), plain
    ),
    "in plain text nothing is special": lambda s, t, plain=False: encoded(s, t),
    "the special tokens' ids come behind the merges": lambda s, t, plain=False: encoded(
        s, t, plain, shift=-len(t.merges)
    ),
    "the special tokens' ids are one too large": partial(encoded, shift=1),
    "the special tokens are lost": lambda s, t, plain=False: [
        one for one in encoded(s, t, plain) if one < BYTES + len(t.merges)
    ],
}


@check_calls(
    "encode",
    "A text",
    given=foreign,
    calls=lambda g: (
        [
            (text, table, *plain)
            for text, table in ((special_text(g), table_of(g)), ("a!<|sep|>", SEPARATED))
            for plain in ((), (True,))
        ]
        + [("<|sep|>", SEPARATED, True)]
    ),
    expect=encoded,
    mistakes=ENCODE,
    depends_on=("split", "encode-word"),
)
def encode(lab: ModuleType) -> Way:
    """`encode` gives a special token one id, unless the text is plain, and each word its own."""
    return lambda text, table, plain=False: as_ids(lab.encode(text, table, plain=plain))


def some_ids(g: Given) -> Iterator[tuple[list[int], Table]]:
    """Ids of a text, and bytes that are not UTF-8."""
    yield [*encoded(special_text(g), table_of(g)), 195, 97, 255, 240, 159], table_of(g)


def joined(ids: Iterable[int], table: Table, errors: str = "replace", code: str = "utf-8") -> str:
    """The text of ids."""
    tokens = tokens_of(table) + ENDS
    return b"".join(tokens[one] for one in ids).decode(code, errors)


DECODE = {
    "each token is decoded by itself: join the bytes first": lambda ids, t: "".join(
        joined([one], t) for one in ids
    ),
    "what is not UTF-8 is left out: errors='replace'": partial(joined, errors="ignore"),
    "each byte becomes a character: utf-8 it is": partial(joined, code="latin-1"),
    "the special tokens are lost": lambda ids, t: joined(ids, t).replace(END, "").replace(PAD, ""),
}


@check_calls(
    "decode",
    "Back to text",
    given=foreign,
    calls=some_ids,
    expect=joined,
    mistakes=DECODE,
    depends_on=("vocabulary",),
)
def decode(lab: ModuleType) -> Way:
    """`decode` joins the tokens' bytes, and replaces what is not UTF-8."""
    return lambda ids, table: instance(lab.decode(ids, table), str)


# Streams, and a file ------------------------------------------------------------------------------


def stepwise(stream: Way) -> Way:
    """Pairs of how much was taken and what was yielded then; empty texts are left out."""

    def steps(feed: Sequence[Any], table: Table) -> list[tuple[int, Any]]:
        taken = 0

        def pieces() -> Iterator[Any]:
            nonlocal taken
            for one in feed:
                taken += 1
                yield one

        found = instance(stream(pieces(), table), Iterator)
        return [(taken, one) for one in found if one != ""]

    return steps


def in_steps(ids: Iterable[int], table: Table, *, end: bool = True) -> Iterator[str]:
    """Characters as they come whole."""
    known, reader = tokens_of(table) + ENDS, codecs.getincrementaldecoder("utf8")(errors="replace")
    yield from (reader.decode(known[one]) for one in ids)
    yield reader.decode(b"", end) if end else ""


DECODE_STREAM = {
    "a character of several tokens comes out in pieces: an incremental decoder": stepwise(
        lambda ids, t: (joined([one], t) for one in ids)
    ),
    "what the end leaves open is lost: final=True": stepwise(partial(in_steps, end=False)),
    "all ids were taken before anything was yielded": stepwise(
        lambda ids, t: iter([*in_steps(ids, t)])
    ),
    "it comes as one text at the end": stepwise(lambda ids, t: iter([joined(ids, t)])),
}


@check_calls(
    "decode-stream",
    "Decoded as it comes",
    given=foreign,
    calls=some_ids,
    expect=stepwise(in_steps),
    mistakes=DECODE_STREAM,
    depends_on=("vocabulary",),
)
def decode_stream(lab: ModuleType) -> Way:
    """`decode_stream` yields, after so many ids, each character as soon as it is whole."""
    return stepwise(lab.decode_stream)


def open_texts(g: Given) -> Iterator[tuple[str]]:
    """Texts that could go on in many ways."""
    a, b, c = map(spell, g.letter)
    ends = (
        f" {b}",
        "!",
        " ",
        END,
        f" {b}<|e",
        f"{PAD}<",
        f"{END}{b}\n",
        f"{END}!",
        "|>",
        "<|x",
        " <|end|",
        "",
    )
    yield from ((f"{a}{end}",) for end in ends)
    yield from (("",), (f"{END}{c}<|pa",), (END,))


def begun(text: str, more: int = 0) -> int:
    """How long the beginning of a special token at the end of a text is."""
    return max(n for one in SPECIAL for n in range(len(one) + more) if text.endswith(one[:n]))


def last_word(text: str, among: Sequence[str] = SPECIAL, cut: Way = cut) -> int:
    """How long the last word is; 0 behind a special token."""
    if not text or text.endswith(tuple(among)):
        return 0
    return len(WORD.findall(cut(text)[-1])[-1])


def sure(text: str, more: int = 0, word: Way = last_word) -> int:
    """How far a text is settled."""
    before = len(text) - begun(text, more)
    return before - word(text[:before])


SETTLED = {
    "the last word could still grow": lambda t: len(t) - begun(t),
    "a special token that has begun could still end": lambda t: len(t) - last_word(t),
    "everything is called settled": len,
    "how much is unsettled is returned": lambda t: len(t) - sure(t),
    "before a special token that has begun, the last word is unsettled, too": lambda t: (
        len(t) - (begun(t) or last_word(t))
    ),
    "a whole special token at the end is settled": partial(sure, more=1),
    "without its last character, a special token has begun, too": partial(sure, more=-1),
    "text[:-0] is empty: where nothing has begun, cut nothing off": lambda t: (
        sure(t) * (begun(t) > 0)
    ),
    "a special token at the end is not a word": partial(sure, word=partial(last_word, among=())),
    "words do not reach over a special token: the last piece has the last one": partial(
        sure, word=partial(last_word, cut=lambda text: [text])
    ),
    "white space at the end is unsettled: it could grow, and a space join a word": partial(
        sure, word=lambda t: last_word(t) * (not t[-1:].isspace())
    ),
}


@check_calls(
    "settled",
    "How far a text is settled",
    given=letters,
    calls=open_texts,
    expect=sure,
    mistakes=SETTLED,
    depends_on=("split",),
)
def settled(lab: ModuleType) -> Way:
    """`settled` holds back the last word, and a special token that has begun."""
    return lambda text: lab.settled(text, SPECIAL)


def text_in_pieces(g: Given) -> Iterator[tuple[list[str], Table]]:
    """The drawn text in pieces, cut inside of words and of both special tokens."""
    text = special_text(g)
    places = sorted([0, 11, *g["cut"].tolist(), len(text) - 3, len(text)])
    yield [text[i:j] for i, j in pairwise(places)], table_of(g)
    yield [text[:9], text[9:16] + "ab", "c a"], table_of(g)


def in_pieces(
    pieces: Iterable[str],
    table: Table,
    keep: Callable[[str], int] = sure,
    *,
    tail: bool = True,
    alone: bool = False,
    again: bool = False,
) -> Iterator[int]:
    """Ids as the pieces come, with a rule for what is settled."""
    held = ""
    for one in pieces:
        text = one if alone else held + one
        yield from encoded(text[: keep(text)], table)
        held = text if again else text[keep(text) :]
    yield from encoded(held, table) if tail else ()


ENCODE_STREAM = {
    "each piece is encoded by itself": stepwise(partial(in_pieces, keep=len)),
    "the end is lost: encode what is left": stepwise(partial(in_pieces, tail=False)),
    "what was held back is lost: the next piece comes behind it": stepwise(
        partial(in_pieces, alone=True)
    ),
    "what was encoded is encoded again: keep what is behind it": stepwise(
        partial(in_pieces, again=True)
    ),
    "all of it was taken before anything was yielded": stepwise(
        partial(in_pieces, keep=lambda _: 0)
    ),
}


@check_calls(
    "encode-stream",
    "Encoded as it comes",
    given=foreign,
    calls=text_in_pieces,
    expect=stepwise(in_pieces),
    mistakes=ENCODE_STREAM,
    depends_on=("encode", "settled"),
)
def encode_stream(lab: ModuleType) -> Way:
    """`encode_stream` yields, after so many pieces, the ids of what is settled."""

    def way(pieces: Iterable[str], table: Table) -> Iterator[int]:
        ids = instance(lab.encode_stream(pieces, table), Iterator)
        return (one for some in ids for one in as_ids([some]))

    return stepwise(way)


FAULTS = {
    "an id that is not known yet is let through": [97, 257],
    "a pair that repeats an earlier one is let through": [97, 98],
    "a negative id is let through": [-1, 98],
    "true is let through, which isinstance calls an int: type(one) is int": [True, 98],
    "three ids are let through as a pair": [97, 98, 99],
}
FLOAT = [99.0, 98]
REFUSED, TAKEN = "a TableError that names rank 1", "let through"


def files(g: Given) -> Iterator[tuple[Table]]:
    """A sound table, and faulty ones, each with a wrong merge of rank 1."""
    yield (table_of(g),)
    yield from ((Table(((97, 98), tuple(pair))),) for pair in (FLOAT, *FAULTS.values()))


def read_by(form: Way, *taken: Sequence[float]) -> Way:
    """How tables are read, of which form, and which wrong merge is let through."""
    return lambda table: (
        form(table) if table.special else TAKEN if [*table.merges[1]] in taken else REFUSED
    )


LOAD = {
    "merges, each merge and special are tuples": read_by(
        lambda t: Table([[*p] for p in t.merges], [*t.special])
    ),
    "each merge is a tuple": read_by(lambda t: Table(tuple([*p] for p in t.merges), t.special)),
    "wrong merges are let through: raise TableError": lambda t: t if t.special else TAKEN,
    "ids of other types are let through: type(one) is int": read_by(
        lambda table: table, FLOAT, [True, 98]
    ),
    **{words: read_by(lambda table: table, pair) for words, pair in FAULTS.items()},
}


@check_calls(
    "load",
    "A table from a file",
    given=lambda rng: foreign(rng, 4),
    calls=files,
    expect=read_by(lambda table: table),
    mistakes=LOAD,
)
def load(lab: ModuleType) -> Way:
    """`load_table` gives an equal Table, and refuses merges that cannot be."""

    def way(table: Table) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            save(table, path := Path(folder) / "tokenizer.json")
            try:
                found = lab.load_table(path)
            except TableError as error:
                return REFUSED if "1" in str(error) else f"TableError without its rank: {error}"
            return found if table.special else TAKEN

    return way


# What the table is worth --------------------------------------------------------------------------

WINDOWS, LONGEST, MERGES = 1024, 64, 768


def merges_in(_lab: None, _given: Given) -> Tensor:
    """The merges of the file that was handed in, int64 [merges, 2]."""
    content = json.loads(ArtifactPath("tokenizer.json").path.read_text(encoding="utf-8"))
    return torch.tensor(content["merges"], dtype=torch.int64).reshape(-1, 2)


def is_sound(merges: Tensor) -> bool:
    """Whether they are at most 768 merges of earlier ids, of at most 64 bytes each."""
    lengths = [1] * BYTES
    for first, second in merges.tolist():
        if not 0 <= min(first, second) <= max(first, second) < len(lengths):
            return False
        lengths.append(lengths[first] + lengths[second])
    return len(merges) <= MERGES and max(lengths) <= LONGEST


@play("bytes-per-token", items=True)
def bytes_per_token(player: Player, _rng: torch.Generator, items: PlayItems) -> Tensor:
    """Bytes of each piece of a play for each of its tokens; 0 where they do not spell it."""
    characters = find("shakespeare").vocabulary()
    rows = items.inputs["tokens"][:WINDOWS].tolist()
    texts = ["".join(characters[i] for i in row) for row in rows]
    merges = player.probe(merges_in, {}, returns="int64 [*, 2]")
    path = ArtifactPath("tokenizer.json")
    ids = player.call("encode_by", END.join(texts), path, returns="int64 [*]").tolist()
    if not is_sound(merges):
        return torch.zeros(len(texts))
    tokens = [*tokens_of(Table(tuple(merges.tolist()))), b"\0"]  # the last is END, in no play
    known = [tokens[one] if 0 <= one < len(tokens) else b"" for one in ids]
    return worth([text.encode() for text in texts], known)


def worth(texts: Sequence[bytes], tokens: Sequence[bytes]) -> Tensor:
    """Bytes of each text for each token, where the tokens up to the next END spell it; else 0."""
    found: list[list[bytes]] = [[]]
    for token in tokens:
        if token == b"\0":
            found.append([])
        else:
            found[-1].append(token)
    found += [[]] * len(texts)
    pairs = zip(texts, found[: len(texts)], strict=True)
    return torch.tensor([len(t) / len(row) if b"".join(row) == t else 0.0 for t, row in pairs])
