"""Rows: a data set before it is tensors, as readers give it and parquet files hold it.

Rows are named columns, ordered by the rows' ids. A row's value is a text, or an array of any shape:
a picture is uint8 `[C,H,W]`, a series float32 `[T,D]` of its own length, a label a number. Columns
that are `shared` (a graph's edges) hold one tensor for all rows.
"""

import hashlib
from collections.abc import Collection
from typing import cast

from torch import Tensor

ColumnValues = Tensor | list[Tensor] | list[str]
Rows = dict[str, ColumnValues]


def pick(rows: Rows, indices: Tensor, shared: Collection[str] = ()) -> Rows:
    """The rows at the given positions, in that order; what is `shared` stays whole."""
    chosen = indices.tolist()
    return {
        name: values
        if name in shared
        else values[indices]
        if isinstance(values, Tensor)
        else cast("ColumnValues", [values[i] for i in chosen])
        for name, values in rows.items()
    }


def content_sha256(rows: Rows) -> str:
    """A sha256 over all values, the same whichever source and file format they came from."""
    digest = hashlib.sha256()
    for name in sorted(rows):
        digest.update(name.encode())
        for value in rows[name]:
            data = value_bytes(value)
            digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def value_bytes(value: Tensor | str) -> bytes:
    """One value as bytes."""
    return value.encode() if isinstance(value, str) else value.contiguous().numpy().tobytes()
