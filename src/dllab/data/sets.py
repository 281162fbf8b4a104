"""Data sets as tensors: decoded cache, else committed copy, else the original source.

load("fashion_mnist", "train")                 # what a lab trains on
load("fashion_mnist", "train", size="full")    # with full_extra, fetched when needed
items("shakespeare", "test")                   # what Model.predict is scored on
"""

from typing import Literal

import torch
from safetensors.torch import load_file
from torch import Tensor

from dllab.data.cache import cached
from dllab.data.catalog import SHARED, DataSet, find, fingerprint, part_ids
from dllab.data.description import RELEASED
from dllab.data.fetch import source_rows
from dllab.data.files import DataError
from dllab.data.kinds import kind_of
from dllab.data.parquet import read_parquet
from dllab.data.rows import Rows, pick
from dllab.data.tensors import Tensors

Split = Literal["train", "val", "test"]
Size = Literal["small", "full"]
DECODER = 2  # raise it when the same rows decode to other tensors: caches are then made anew


def load(name: str, split: str, size: str = "small") -> Tensors:
    """A split as its data set stores it: the columns that `find(name).columns` declares.

    Each is `[N, …]`, one row an item, apart from shared ones. Padding is zero. A stream, whose
    items are cut out of it, is one tensor of all its tokens. `size="full"` adds full_extra to the
    training split and changes nothing else.

    Raises:
        DataError: no such set, split or size; or the data is damaged or not to be had.

    """
    dataset = find(name)
    _choose("split", split, RELEASED)
    _choose("size", size, ("small", "full"))
    extra = size == "full" and split == "train" and "full_extra" in dataset.built.parts
    parts = (split, "full_extra") if extra else (split,)
    key = f"{fingerprint(name)}/{'+'.join(parts)}/decoder {DECODER}"
    return cached(key, lambda: kind_of(dataset).decode(dataset, _rows(dataset, *parts)))


def items(name: str, split: str) -> Tensors:
    """What `Model.predict` is scored on: all declared columns.

    Those that are cut out of their split (windows of a stream) are drawn once and for all.
    """
    dataset, tensors = find(name), load(name, split)
    kind = kind_of(dataset)
    return kind.cut(dataset, tensors, kind.cuts, seed=0) if kind.cuts else tensors


def reserved_ids(name: str) -> Tensor:
    """Ids of the rows that hidden sets are drawn from, ascending. int64 `[N]`."""
    return part_ids(find(name), "reserved")


def reserved(name: str, ids: Tensor | None = None) -> Tensors:
    """Reserved rows as `load` gives them, in the order of `ids` (default: all). Never cached.

    They are not part of the repository: the original source is fetched.

    Raises:
        DataError: an id is not reserved, or no source can be reached (the hint says which).

    """
    dataset = find(name)
    allowed = part_ids(dataset, "reserved")
    chosen = allowed if ids is None else ids
    if not bool(torch.isin(chosen, allowed).all()):
        raise DataError(f"some of these rows of {name} are not reserved", "use reserved_ids()")
    rows = pick(source_rows(dataset), chosen, dataset.shared)
    return kind_of(dataset).decode(dataset, rows)


def _choose(what: str, value: str, among: tuple[str, ...]) -> None:
    if value not in among:
        raise DataError(f"there is no {what} {value!r}", f"choose one of: {', '.join(among)}")


def _rows(dataset: DataSet, *parts: str) -> Rows:
    """Rows of the given parts in the order of their ids; released ones need no source."""
    file = f"{parts[0]}.parquet"
    if len(parts) > 1 or file not in dataset.built.files:
        return pick(source_rows(dataset), part_ids(dataset, *parts), dataset.shared)
    rows = read_parquet(dataset.file(file))
    return {**rows, **load_file(dataset.file(SHARED))} if dataset.shared else rows
