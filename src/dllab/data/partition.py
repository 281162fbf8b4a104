"""How rows are divided: by class, at random from a fixed seed, without copies on two sides."""

import numpy as np
import numpy.typing as npt
from torch import Tensor

from dllab.data.catalog import DataSet
from dllab.data.formats import Column, Rows
from dllab.data.text import words

SEED = 20_261_121
Ids = npt.NDArray[np.int64]


def partition(dataset: DataSet, rows: Rows) -> list[str]:
    """The part of every row, in the order of the ids.

    test and reserved come from the official test split where there is one, and what that split
    holds beyond test is reserved. Each part has the class proportions of where it is drawn from.
    """
    rng = np.random.default_rng(SEED)
    labels = _labels(dataset, rows)
    usable = _usable(dataset, rows)
    training, testing = usable, usable
    if dataset.test_from:
        training = usable[usable < dataset.test_from]
        testing = usable[usable >= dataset.test_from]
    parts = np.full(dataset.rows, "unused", dtype=object)
    parts[usable] = "full_extra"
    for part in ("test", "reserved", "train", "val"):
        pool = testing if part in ("test", "reserved") else training
        free = pool[parts[pool] == "full_extra"]
        parts[stratified(free, labels, min(dataset.parts[part], len(free)), rng)] = part
    return [str(part) for part in parts]


def stratified(pool: Ids, labels: Ids, count: int, rng: np.random.Generator) -> Ids:
    """`count` ids of the pool with its class proportions (largest remainders get the odd ones)."""
    classes, sizes = np.unique(labels[pool], return_counts=True)
    exact = sizes * count / len(pool)
    quota = np.floor(exact).astype(int)
    odd = np.argsort(quota - exact, kind="stable")[: count - quota.sum()]
    quota[odd] += 1
    chosen = [
        rng.choice(pool[labels[pool] == label], size, replace=False)
        for label, size in zip(classes, quota, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def _labels(dataset: DataSet, rows: Rows) -> Ids:
    label = rows.get("label")
    return label.numpy() if isinstance(label, Tensor) else np.zeros(dataset.rows, dtype=np.int64)


def _usable(dataset: DataSet, rows: Rows) -> Ids:
    """Ids of the rows that are neither empty nor a copy of an earlier one."""
    seen: set[bytes] = set()
    kept = []
    for i, key in enumerate(content_keys(rows[_CONTENT[dataset.kind]])):
        if key and key not in seen:
            kept.append(i)
            seen.add(key)
    return np.array(kept, dtype=np.int64)


_CONTENT = {"image": "image", "series": "series", "text": "text", "stream": "text"}


def content_keys(column: Column) -> list[bytes]:
    """What makes two rows copies of each other: the same values, or the same words."""
    return [
        " ".join(words(value)).encode() if isinstance(value, str) else value.numpy().tobytes()
        for value in column
    ]
