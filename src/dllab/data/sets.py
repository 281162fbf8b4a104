"""Data sets as tensors: decoded cache, else committed copy, else the original source.

load("fashion_mnist", "train")                 # what a lab trains on
load("fashion_mnist", "train", size="full")    # with full_extra, fetched when needed
items("shakespeare", "test")                   # what Model.predict is scored on
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dllab.data.cache import cached
from dllab.data.catalog import (
    RELEASED,
    DataSet,
    committed_file,
    find,
    fingerprint,
    part_ids,
    vocabulary,
)
from dllab.data.fetch import source_rows
from dllab.data.files import DataError
from dllab.data.formats import Rows, pick, read_parquet
from dllab.data.text import encode_characters, encode_words

Tensors = dict[str, Tensor]
Split = Literal["train", "val", "test"]
Size = Literal["small", "full"]
SERIES_STEPS = 29
WINDOWS, WINDOW = 4096, 128
DECODER = 1  # raise it when the same rows decode to other tensors: caches are then made anew


def load(name: str, split: str, size: str = "small") -> Tensors:
    """A split as its data set stores it; `catalog()[name].shapes` says keys, dtypes and shapes.

    Images are uint8, series are zero-padded to 29 steps, words to 100; `lengths` says how much
    counts. Id 0 is padding, id 1 is unknown. A stream holds all characters of its plays in a row.
    `size="full"` adds full_extra to the training split and changes nothing else.

    Raises:
        DataError: no such set, split or size; or the data is damaged or not to be had.

    """
    dataset = find(name)
    _choose("split", split, RELEASED)
    _choose("size", size, ("small", "full"))
    extra = size == "full" and split == "train" and "full_extra" in dataset.parts
    parts = (split, "full_extra") if extra else (split,)
    return _cached(dataset, parts, lambda: _decode(dataset, _rows(dataset, *parts)))


def items(name: str, split: str) -> Tensors:
    """What `Model.predict` is scored on: its inputs, and `label` int64 `[N]`.

    For a stream: 4096 windows of 128 tokens at places drawn once; the label is the token after.
    """
    tensors = load(name, split)
    return windows(tensors["tokens"]) if find(name).kind == "stream" else tensors


def windows(stream: Tensor, count: int = WINDOWS, seed: int = 0) -> Tensors:
    """`tokens` `[count,128]`, `lengths`, and the next token as `label`; places may overlap."""
    rng = torch.Generator().manual_seed(seed)
    starts = torch.randint(len(stream) - WINDOW, (count,), generator=rng)
    spans = stream.unfold(0, WINDOW + 1, 1)[starts]
    lengths = torch.full((count,), WINDOW)
    return {"tokens": spans[:, :-1].contiguous(), "lengths": lengths, "label": spans[:, -1].clone()}


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
    return _decode(dataset, pick(source_rows(dataset), chosen))


def _choose(what: str, value: str, among: tuple[str, ...]) -> None:
    if value not in among:
        raise DataError(f"there is no {what} {value!r}", f"choose one of: {', '.join(among)}")


def _cached(dataset: DataSet, parts: tuple[str, ...], make: Callable[[], Tensors]) -> Tensors:
    key = f"{fingerprint(dataset.name)}/{'+'.join(parts)}/decoder {DECODER}"
    return cached(key, make)


def _rows(dataset: DataSet, *parts: str) -> Rows:
    """Rows of the given parts in the order of their ids; released ones need no source."""
    path = f"{dataset.name}/{parts[0]}.parquet"
    if len(parts) == 1 and path in dataset.files:
        return read_parquet(committed_file(dataset, path))
    return pick(source_rows(dataset), part_ids(dataset, *parts))


def _decode(dataset: DataSet, rows: Rows) -> Tensors:
    """Rows as tensors, by the kind of the set."""
    return _DECODERS[dataset.kind](dataset, rows)


def _image(_: DataSet, rows: Rows) -> Tensors:
    return {"image": _tensor(rows["image"]), "label": _tensor(rows["label"])}


def _series(_: DataSet, rows: Rows) -> Tensors:
    series = [step for step in rows["series"] if isinstance(step, Tensor)]
    padded = pad_sequence(series, batch_first=True)
    missing = SERIES_STEPS - padded.shape[1]
    return {
        "series": torch.nn.functional.pad(padded, (0, 0, 0, missing)),
        "lengths": torch.tensor([len(one) for one in series]),
        "label": _tensor(rows["label"]),
    }


def _text(dataset: DataSet, rows: Rows) -> Tensors:
    tokens = encode_words([str(text) for text in rows["text"]], vocabulary(dataset.name))
    return {**tokens, "label": _tensor(rows["label"])}


def _stream(dataset: DataSet, rows: Rows) -> Tensors:
    text = "".join(str(play) for play in rows["text"])
    return {"tokens": encode_characters(text, vocabulary(dataset.name))}


def _tensor(column: object) -> Tensor:
    assert isinstance(column, Tensor)
    return column


_DECODERS: dict[str, Callable[[DataSet, Rows], Tensors]] = {
    "image": _image,
    "series": _series,
    "text": _text,
    "stream": _stream,
}
