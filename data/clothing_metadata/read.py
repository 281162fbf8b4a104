"""Clothing reviews without their text: who wrote them, about which garment, and how they fared."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from dllab.data.readers import find_file
from dllab.data.rows import Rows


def read(folder: Path) -> Rows:
    """All reviews; a missing name is category 0, a missing text or title has 0 words."""
    table = pq.read_table(find_file(folder, "WomensClothing*.parquet*"))
    numbers = [
        *(_whole(table, name) for name in ("Age", "Rating", "Positive Feedback Count")),
        *(_words(table, name) for name in ("Review Text", "Title")),
    ]
    names = [_categories(table, name) for name in ("Division Name", "Department Name")]
    return {
        "features": torch.stack(numbers, dim=1).float(),
        "codes": torch.stack(names, dim=1),
        "garment": _whole(table, "Clothing ID"),
        "label": _whole(table, "Recommended IND"),
    }


def _whole(table: pa.Table, name: str) -> Tensor:
    return torch.tensor(table[name].to_pylist())


def _words(table: pa.Table, name: str) -> Tensor:
    return torch.tensor([len((text or "").split()) for text in table[name].to_pylist()])


def _categories(table: pa.Table, name: str) -> Tensor:
    """The place of each name among all, in the order of the alphabet, from 1 on."""
    values = table[name].to_pylist()
    place = {value: i for i, value in enumerate(sorted({v for v in values if v}), start=1)}
    return torch.tensor([place.get(value, 0) for value in values])
