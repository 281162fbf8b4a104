"""Clothing reviews: the text (may be empty) and whether the buyer recommends the item."""

from pathlib import Path

import pyarrow.parquet as pq
import torch

from dllab.data.readers import find_file
from dllab.data.rows import Rows


def read(folder: Path) -> Rows:
    """All reviews; what is not needed to train is left behind."""
    columns = ["Review Text", "Recommended IND"]
    table = pq.read_table(find_file(folder, "WomensClothing*.parquet*"), columns=columns)
    texts = [(text or "").strip() for text in table[columns[0]].to_pylist()]
    return {"text": texts, "label": torch.tensor(table[columns[1]].to_pylist())}
