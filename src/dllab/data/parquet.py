"""Rows in parquet files, laid out as Hugging Face `datasets` does it: pictures are PNG bytes.

How a value is stored follows from what it is: a text, a number, a picture (uint8 `[C,H,W]`), or an
array as nested lists. pyarrow and datasets are imported when used.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dllab.data.catalog import DataSet
from dllab.data.files import atomic
from dllab.data.png import decode_png, encode_png
from dllab.data.rows import ColumnValues, Rows, content_sha256
from dllab.errors import require

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(path: Path) -> Rows:
    """All columns of a file, `id` among them."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read().combine_chunks()
    return {name: _values(table[name].combine_chunks()) for name in table.column_names}


def write_parquet(path: Path, dataset: DataSet, rows: Rows, ids: Tensor) -> None:
    """One split, which `datasets.load_dataset` understands; read back to be sure."""
    require("datasets", "learn", "writing a data set")
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"id": ids.tolist()}
    features = {"id": datasets.Value("int32")}
    for name, values in rows.items():
        said = dataset.columns.get(name)
        columns[name], features[name] = _stored(values, said.classes if said else ())
    schema = datasets.Features(features).arrow_schema  # carries what `datasets` wants to know
    with atomic(path) as unfinished:
        pq.write_table(pa.table(columns, schema=schema), unfinished, compression="zstd")
        back = {name: column for name, column in read_parquet(unfinished).items() if name in rows}
        assert content_sha256(back) == content_sha256(rows), f"{path} does not read back"


def _stored(values: ColumnValues, classes: tuple[str, ...]) -> tuple[list[Any], Any]:
    """A column's cells, and the feature of `datasets` that they are."""
    import datasets

    first = values[0]
    if isinstance(first, str):
        return list(values), datasets.Value("string")
    if first.dtype == torch.uint8 and first.dim() == 3:
        return [{"bytes": _png(image), "path": None} for image in values], datasets.Image()
    feature = datasets.Value(str(first.dtype).removeprefix("torch."))
    if classes and not first.dim():
        feature = datasets.ClassLabel(names=list(classes))
    for _ in range(first.dim()):
        feature = datasets.List(feature)
    return [value.tolist() for value in values if isinstance(value, Tensor)], feature


def _png(image: Tensor | str) -> bytes:
    assert isinstance(image, Tensor)
    return encode_png(image)


def _values(cells: "pa.Array") -> ColumnValues:
    import pyarrow as pa

    if pa.types.is_string(cells.type):
        texts: list[str] = cells.to_pylist()
        return texts
    if pa.types.is_struct(cells.type):
        return [decode_png(data) for data in cells.field("bytes").to_pylist()]
    if pa.types.is_list(cells.type):
        return _arrays(cells)
    return _numbers(cells)


def _numbers(cells: "pa.Array") -> Tensor:
    """Numbers as a tensor of their own; not by numpy, for whose sake pyarrow imports pandas."""
    import pyarrow as pa

    if pa.types.is_boolean(cells.type):  # eight to a byte
        return _numbers(cells.cast(pa.uint8())).bool()
    return torch.utils.dlpack.from_dlpack(cells).clone()


def _arrays(cells: "pa.ListArray") -> list[Tensor]:
    """Nested lists as arrays, one for each row, whose dimensions are the depth of the nesting."""
    import pyarrow as pa

    rows, offsets = len(cells), []
    while pa.types.is_list(cells.type):
        offsets.append(_numbers(cells.offsets))
        cells = cells.values
    flat = _numbers(cells)
    arrays = []
    for row in range(rows):
        low, high, shape = row, row + 1, []
        for level in offsets:
            lists = max(high - low, 1)
            low, high = int(level[low]), int(level[high])
            shape.append((high - low) // lists)
        arrays.append(flat[low:high].reshape(shape))
    return arrays
