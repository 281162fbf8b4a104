"""One long text, character by character, for language models.

`load` gives `tokens` int64 `[N]`, the split's texts in a row. Items are windows of it, `tokens`
`[T]` of the width that the set declares, and `label` is the character after.
"""

from typing import ClassVar

import torch
from torch import Tensor

from dllab.data.catalog import DataSet
from dllab.data.description import Column
from dllab.data.kinds import Kind, Shown
from dllab.data.kinds.text import UNKNOWN, ranked, token_counts
from dllab.data.rows import Rows
from dllab.data.tensors import Tensors

SHOWN_CHARACTERS = 200


class Streams(Kind):
    """Whole texts are rows; fewer windows than `cuts` could not tell two models apart."""

    columns: ClassVar = {
        "tokens": Column(dtype="int64", shape=("T",), lengths="lengths"),
        "lengths": Column(dtype="int64"),
        "label": Column(dtype="int64", role="target"),
    }
    content: ClassVar = ("text",)
    cuts: ClassVar = 4096

    def decode(self, dataset: DataSet, rows: Rows) -> Tensors:
        """One id per character."""
        index = {character: i for i, character in enumerate(dataset.vocabulary())}
        text = "".join(str(one) for one in rows["text"])
        return {"tokens": torch.tensor([index.get(character, UNKNOWN) for character in text])}

    def cut(
        self, dataset: DataSet, split: Tensors, count: int, seed: int, *, apart: bool = False
    ) -> Tensors:
        """Windows at random places; they may overlap, unless they are to be `apart`."""
        stream, width = split["tokens"], dataset.columns["tokens"].most
        assert width is not None, "a stream's set declares how wide its windows are"
        rng = torch.Generator()
        rng.manual_seed(seed)
        whole = count * (width + 1) if apart else width  # what no window may begin in
        starts = torch.randint(max(1, len(stream) - whole), (count,), generator=rng)
        if apart:  # each behind those before it, and then in any order
            starts = starts.sort().values + torch.arange(count) * (width + 1)
            starts = starts[torch.randperm(count, generator=rng)]
        spans = stream.unfold(0, width + 1, 1)[starts]
        lengths = torch.full((count,), width)
        label = spans[:, -1].clone()
        return {"tokens": spans[:, :-1].contiguous(), "lengths": lengths, "label": label}

    def fits(self, dataset: DataSet, split: Tensors) -> int:
        """As many windows as there is text for."""
        return len(split["tokens"]) // ((dataset.columns["tokens"].most or 0) + 1)

    def vocabulary(self, rows: Rows) -> list[str]:
        """All characters."""
        return ranked((character for text in rows["text"] for character in str(text)), 1)

    def show(self, dataset: DataSet, item: Tensors) -> Shown:
        """The end of the window."""
        vocabulary = dataset.vocabulary()
        return Shown(
            text="".join(vocabulary[i] for i in item["tokens"][-SHOWN_CHARACTERS:].tolist())
        )

    def vectors(self, dataset: DataSet, items: Tensors) -> Tensor:
        """How often each character stands in a window."""
        return token_counts(items["tokens"], items["lengths"])


KIND = Streams()
