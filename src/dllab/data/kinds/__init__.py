"""Kinds of data: what is particular to pictures, series, texts, tables, graphs, sounds, boxes.

A kind is one module of this room, or of a package that names it by an entry point of the group
`dllab.kinds`. It holds a class derived from `Kind`, and an instance of it called KIND; nothing else
has to know of it. A set names its kind in dataset.yaml and declares its columns there. The kind
decodes rows into those columns, shows an item to people, says which items are copies, and changes
hidden items a little, so that nobody finds them in a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.data.catalog import DataSet
from dllab.data.description import Column
from dllab.data.files import DataError
from dllab.data.rows import Rows, value_bytes
from dllab.data.tensors import Tensors, joined, tensors, valid_values

NEAR = 0.99  # cosine of two items above which they are called near copies
_BLOCK = 512


@dataclass(frozen=True)
class Shown:
    """One item as people see it: a picture, a text, or lines; exactly one of them is filled.

    `image` is a PNG data URI, `lines` are polylines for an SVG of 100 by 40.
    """

    image: str = ""
    text: str = ""
    lines: tuple[str, ...] = ()


class Kind:
    """What most kinds share; a kind overrides what is different with it.

    `columns` are those that every set of the kind declares. `content` names the row's columns that
    make it what it is: rows equal in them are copies. A kind with `cuts` above 0 cuts items out of
    what `load` gives, as windows of a stream, and so many of them for a public split; with the
    others, items are the split's own entries.
    """

    columns: ClassVar[Mapping[str, Column]] = {}
    content: ClassVar[tuple[str, ...]] = ()
    cuts: ClassVar[int] = 0

    def needs(self, dataset: DataSet) -> Mapping[str, Column]:
        """The columns that this set has to declare."""
        return self.columns

    def check(self, dataset: DataSet) -> None:
        """See that the set declares what its kind needs: column, dtype and number of axes.

        Raises:
            DataError: it does not; every column is named.

        """
        wrong = [
            f"{name}: {column}"
            for name, column in self.needs(dataset).items()
            if not _alike(dataset.columns.get(name), column)
        ]
        if wrong:
            raise DataError(
                f"{dataset.folder / 'dataset.yaml'}: a set of kind {dataset.about.kind} needs the "
                f"columns {'; '.join(wrong)}",
                "declare them so, or choose another kind",
            )

    def decode(self, dataset: DataSet, rows: Rows) -> Tensors:
        """Rows as the declared columns; what is cut is decoded whole.

        Raises:
            DataError: the rows hold no such column, or do not fit its shape.

        """
        return tensors(dataset, rows)

    def cut(
        self, dataset: DataSet, split: Tensors, count: int, seed: int, *, apart: bool = False
    ) -> Tensors:
        """`count` items out of a split, at places drawn from `seed`, where `cuts` says so.

        Where they are `apart`, no two hold the same step: the target of one is no other's input.
        """
        raise NotImplementedError

    def fits(self, dataset: DataSet, split: Tensors) -> int:
        """How many items that are apart can be cut out of a split."""
        raise NotImplementedError

    def vocabulary(self, rows: Rows) -> list[str]:
        """What the ids of tokens stand for, by the training rows; empty where there are none."""
        return []

    def show(self, dataset: DataSet, item: Tensors) -> Shown:
        """One item, its columns without the axis of items, for a report."""
        raise NotImplementedError

    def row_keys(self, rows: Rows) -> list[bytes]:
        """What makes two rows copies of each other; no bytes at all for an empty row."""
        columns = (rows[name] for name in self.content if name in rows)
        return [b"".join(map(value_bytes, values)) for values in zip(*columns, strict=True)]

    def keys(self, dataset: DataSet, items: Tensors) -> list[bytes]:
        """What makes two items copies of each other; padding and its width play no part."""
        columns = dataset.columns
        parts = [valid_values(items, name, columns[name]) for name in dataset.inputs]
        return [b"".join(map(value_bytes, values)) for values in zip(*parts, strict=True)]

    def near(self, dataset: DataSet, items: Tensors, others: Tensors) -> Tensor:
        """Which items have a near copy among others. bool `[N]`."""
        count = len(items[dataset.inputs[0]])
        rows = F.normalize(self.vectors(dataset, joined(dataset, items, others)), dim=1)
        best = [(block @ rows[count:].T).amax(1) for block in torch.split(rows[:count], _BLOCK)]
        return torch.cat(best) >= NEAR

    def perturb(self, dataset: DataSet, items: Tensors, rng: torch.Generator) -> Tensors:
        """Items that are their own answers still, in inputs that no table of known ones holds:
        neither their bytes nor their rounded values. Shapes, lengths, padding, targets and what all
        share stay as they are. Without a way to do it, all does.
        """
        return items

    def vectors(self, dataset: DataSet, items: Tensors) -> Tensor:
        """Items as rows whose directions are close where they are alike. float32 `[N,F]`."""
        rows = items[dataset.inputs[0]].flatten(1).float()
        return rows - rows.mean(1, keepdim=True)


def item_at(dataset: DataSet, items: Mapping[str, Tensor], index: int) -> Tensors:
    """One item of many: its own entries, and whole what all share."""
    return {k: v if k in dataset.shared else v[index] for k, v in items.items()}


def kind_of(dataset: DataSet) -> Kind:
    """The kind of a set.

    Raises:
        DataError: there is none of that name, or the set lacks columns that it needs.

    """
    kind = _load(dataset.about.kind)
    kind.check(dataset)
    return kind


def kinds() -> dict[str, str]:
    """The names of all kinds, and the modules that hold them."""
    own = {module.name: f"{__name__}.{module.name}" for module in iter_modules(__path__)}
    return own | {point.name: point.value for point in entry_points(group="dllab.kinds")}


@cache
def _load(name: str) -> Kind:
    known = kinds()
    if name not in known:
        raise DataError(f"there is no kind {name!r}", f"choose one of: {', '.join(known)}")
    kind: Kind = import_module(known[name]).KIND
    return kind


def _alike(column: Column | None, needed: Column) -> bool:
    """Same dtype, role, number of axes, and padding."""
    facts = [
        (c.dtype, c.role, len(c.shape), bool(c.lengths), c.shared) for c in (column, needed) if c
    ]
    return len(facts) == 2 and facts[0] == facts[1]
