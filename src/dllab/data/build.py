"""Make everything under data/ from the original sources; the same sources give the same rows.

    python -m dllab.data.build [NAME …]

Writes each set's partition, its committed splits as parquet and its vocabulary, and enters their
checksums in data/catalog.yaml. Only for those who maintain the data: a changed partition makes all
recorded thresholds void.
"""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

from dllab.data.catalog import PARTS, RELEASED, DataSet, catalog, data_folder
from dllab.data.fetch import source_rows
from dllab.data.files import atomic, sha256_of
from dllab.data.formats import Rows, content_sha256, pick, read_parquet
from dllab.data.partition import partition
from dllab.data.text import build_vocabulary, words

MIN_COUNT = {"text": 3, "stream": 1}


def build(dataset: DataSet) -> None:
    """Write the partition, the committed splits and the vocabulary of one set."""
    rows = source_rows(dataset)
    parts = partition(dataset, rows)
    _write_partition(dataset, parts)
    for split in RELEASED if dataset.committed else ():
        ids = torch.tensor([i for i, part in enumerate(parts) if part == split])
        write_split(
            data_folder() / dataset.name / f"{split}.parquet", dataset, pick(rows, ids), ids
        )
    if dataset.kind in MIN_COUNT:
        train = pick(rows, torch.tensor([i for i, part in enumerate(parts) if part == "train"]))
        _write_vocabulary(dataset, [str(text) for text in train["text"]])
    for path in dataset.files:
        _enter(path, sha256_of(data_folder() / path))
    print(dataset.name, {part: parts.count(part) for part in PARTS})


def write_split(path: Path, dataset: DataSet, rows: Rows, ids: Tensor) -> None:
    """One split as parquet that `datasets.load_dataset` understands; read back to be sure."""
    columns: dict[str, Any] = {"id": ids.tolist()}
    features = {"id": datasets.Value("int32")}
    for name, values in rows.items():
        columns[name], features[name] = _encoded(name, values, dataset)
    schema = datasets.Features(features).arrow_schema  # carries what `datasets` wants to know
    with atomic(path) as unfinished:
        pq.write_table(pa.table(columns, schema=schema), unfinished, compression="zstd")
        back = {name: column for name, column in read_parquet(unfinished).items() if name in rows}
        assert content_sha256(back) == content_sha256(rows), f"{path} does not read back"


def _encoded(name: str, values: Any, dataset: DataSet) -> tuple[list[Any], Any]:
    if name == "image":
        return [{"bytes": _png(image), "path": None} for image in values], datasets.Image()
    if name == "label":
        return values.tolist(), datasets.ClassLabel(names=list(dataset.classes))
    if name == "series":
        step = datasets.List(datasets.Value("float32"))
        return [series.tolist() for series in values], datasets.List(step)
    return list(values), datasets.Value("string")


def _png(image: Tensor) -> bytes:
    buffer = io.BytesIO()
    pixels = image.squeeze(0) if image.shape[0] == 1 else image.permute(1, 2, 0)
    Image.fromarray(pixels.numpy()).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _write_partition(dataset: DataSet, parts: list[str]) -> None:
    path = data_folder() / "partition" / f"{dataset.name}.parquet"
    with atomic(path) as unfinished:
        column = pa.array(parts).dictionary_encode()
        pq.write_table(pa.table({"part": column}), unfinished, compression="zstd")
    _enter(f"partition of {dataset.name}", sha256_of(path))


def _write_vocabulary(dataset: DataSet, texts: list[str]) -> None:
    tokens = [
        token for text in texts for token in (words(text) if dataset.kind == "text" else text)
    ]
    entries = build_vocabulary(tokens, MIN_COUNT[dataset.kind])
    with atomic(data_folder() / dataset.name / "vocabulary.json") as unfinished:
        text = json.dumps(entries, ensure_ascii=False, indent=0)
        unfinished.write_text(text + "\n", encoding="utf-8")


def _enter(what: str, sha256: str) -> None:
    """Put a checksum into the catalog, leaving its comments and layout alone."""
    path = data_folder() / "catalog.yaml"
    text = path.read_text(encoding="utf-8")
    if what.startswith("partition of "):
        name = what.removeprefix("partition of ")
        pattern = rf'(?ms)(^{name}:.*?^  partition: )("?[0-9a-f]*"?)$'
    else:
        pattern = rf'(?m)(^    {re.escape(what)}: )("?[0-9a-f]*"?)$'
    text, found = re.subn(pattern, rf'\g<1>"{sha256}"', text, count=1)
    assert found == 1, f"{path} has no entry for the {what}"
    with atomic(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def main(names: list[str]) -> None:
    """Build the named sets, or all."""
    for dataset in catalog().values():
        if not names or dataset.name in names:
            build(dataset)


if __name__ == "__main__":
    main(sys.argv[1:])
