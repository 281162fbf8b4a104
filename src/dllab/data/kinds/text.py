"""Texts as words: `tokens` int64 `[T]`, ids in the set's vocabulary, and `lengths`.

A text longer than the set declares is cut there: that is a choice, and the shape says it. Rows hold
the text itself.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor

from dllab.data.catalog import DataSet
from dllab.data.description import Column
from dllab.data.kinds import Kind, Shown
from dllab.data.rows import Rows
from dllab.data.tensors import Tensors, tensors

SPECIAL = ("<pad>", "<unk>")
UNKNOWN = 1
MIN_COUNT = 3
SHOWN_WORDS = 60
SWAPPED, SWAPPED_FROM = 0.02, 8  # the share of words; how long a text is that has one for sure


class Texts(Kind):
    """Copies have the same words; near copies have nearly the same words in whatever order."""

    columns: ClassVar = {
        "tokens": Column(dtype="int64", shape=("T",), lengths="lengths"),
        "lengths": Column(dtype="int64"),
    }
    content: ClassVar = ("text",)

    def decode(self, dataset: DataSet, rows: Rows) -> Tensors:
        """Ids of the words, 0 for padding, 1 for one that the vocabulary lacks; never no word."""
        index = {word: i for i, word in enumerate(dataset.vocabulary())}
        most = dataset.columns["tokens"].most
        texts = (words(str(text))[:most] for text in rows["text"])
        ids = [torch.tensor([index.get(word, UNKNOWN) for word in t] or [UNKNOWN]) for t in texts]
        return tensors(dataset, {**rows, "tokens": ids})

    def vocabulary(self, rows: Rows) -> list[str]:
        """The words seen at least three times."""
        return ranked((word for text in rows["text"] for word in words(str(text))), MIN_COUNT)

    def show(self, dataset: DataSet, item: Tensors) -> Shown:
        """Its first words."""
        vocabulary, length = dataset.vocabulary(), int(item["lengths"])
        shown = [vocabulary[i] for i in item["tokens"][: min(length, SHOWN_WORDS)].tolist()]
        return Shown(text=" ".join(shown) + " …" * (length > SHOWN_WORDS))

    def row_keys(self, rows: Rows) -> list[bytes]:
        """The words, whatever stands between them."""
        return [" ".join(words(str(text))).encode() for text in rows["text"]]

    def perturb(self, dataset: DataSet, items: Tensors, rng: torch.Generator) -> Tensors:
        """Few words, one at least of a text that is not short, give way to another of the same
        text: what nobody knows (`<unk>`) would cost a small model more.
        """
        tokens, lengths = items["tokens"], items["lengths"][:, None]
        places = torch.arange(tokens.shape[1])
        drawn = torch.rand(tokens.shape, generator=rng)
        drawn[places >= lengths] = 1
        surely = (drawn == drawn.amin(1, keepdim=True)) & (lengths >= SWAPPED_FROM)
        steps = 1 + torch.rand(tokens.shape, generator=rng) * (lengths - 1)
        others = tokens.gather(1, (places + steps.long()) % lengths.clamp(min=1))
        return {**items, "tokens": torch.where((drawn < SWAPPED) | surely, others, tokens)}

    def vectors(self, dataset: DataSet, items: Tensors) -> Tensor:
        """How often each token stands in an item."""
        return token_counts(items["tokens"], items["lengths"])


def words(text: str) -> list[str]:
    """Lower-case words and numbers; `!`, `?` and `.` count as words of their own."""
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?|[!?.]", text.lower())


def ranked(tokens: Iterable[str], min_count: int) -> list[str]:
    """The special entries, then all tokens seen `min_count` times, the most frequent first."""
    counts = Counter(tokens)
    kept = [token for token, count in counts.items() if count >= min_count]
    return [*SPECIAL, *sorted(kept, key=lambda token: (-counts[token], token))]


def token_counts(tokens: Tensor, lengths: Tensor) -> Tensor:
    """float32 `[N,V]` of tokens int64 `[N,T]`; padding is not counted."""
    valid = torch.arange(tokens.shape[1]) < lengths[:, None]
    counts = torch.zeros(len(tokens), int(tokens.max()) + 1)
    return counts.scatter_add_(1, tokens, valid.float())


KIND = Texts()
