"""Make the files of a set from its original source; the same source gives the same rows.

Writes its partition, its committed splits as parquet and its vocabulary, and `built` at the end of
its dataset.yaml. A changed partition makes all recorded thresholds void.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from dllab.data.catalog import DATASET, PARTITION, SHARED, VOCABULARY, DataSet
from dllab.data.description import PARTS, RELEASED, Built
from dllab.data.fetch import source_rows
from dllab.data.files import atomic, sha256_of
from dllab.data.kinds import kind_of
from dllab.data.parquet import write_parquet
from dllab.data.partition import partition
from dllab.data.rows import Rows, content_sha256, pick

HEAD = "# What `dllab data build` found; nothing from here on is written by hand.\n"


def build(dataset: DataSet) -> Built:
    """Write the files of one set, decode its released rows to see that they fit, and record both.

    Raises:
        DataError: no source delivers, or the rows do not fit the description.

    """
    rows, kind = source_rows(dataset), kind_of(dataset)
    parts = partition(dataset, rows)
    released = {split: _of(dataset, rows, parts, split) for split in RELEASED}
    files = [_write_partition(dataset, parts)]
    if dataset.about.committed:
        files += [_write_split(dataset, split, *released[split]) for split in RELEASED]
        files += _write_shared(dataset, rows)
    if vocabulary := kind.vocabulary(released["train"][0]):
        files.append(_write_vocabulary(dataset, vocabulary))
    built = Built(
        rows=len(parts),
        content=content_sha256(rows),
        parts={part: parts.count(part) for part in PARTS if part in parts},
        files={path.name: sha256_of(path) for path in files},
    )
    done = replace(dataset, about=replace(dataset.about, built=built))
    for split in RELEASED:
        kind.decode(done, released[split][0])
    _record(dataset, built)
    return built


def _of(dataset: DataSet, rows: Rows, parts: list[str], split: str) -> tuple[Rows, Tensor]:
    ids = torch.tensor([i for i, part in enumerate(parts) if part == split])
    return pick(rows, ids, dataset.shared), ids


def _write_partition(dataset: DataSet, parts: list[str]) -> Path:
    path = dataset.folder / PARTITION
    with atomic(path) as unfinished:
        column = pa.array(parts).dictionary_encode()
        pq.write_table(pa.table({"part": column}), unfinished, compression="zstd")
    return path


def _write_split(dataset: DataSet, split: str, rows: Rows, ids: Tensor) -> Path:
    path = dataset.folder / f"{split}.parquet"
    own = {name: values for name, values in rows.items() if name not in dataset.shared}
    write_parquet(path, dataset, own, ids)
    return path


def _write_shared(dataset: DataSet, rows: Rows) -> list[Path]:
    """What all items share, once, beside the splits."""
    if not dataset.shared:
        return []
    path = dataset.folder / SHARED
    whole = {name: torch.as_tensor(rows[name]).contiguous() for name in dataset.shared}
    with atomic(path) as unfinished:
        save_file(whole, unfinished)
    return [path]


def _write_vocabulary(dataset: DataSet, vocabulary: list[str]) -> Path:
    path = dataset.folder / VOCABULARY
    with atomic(path) as unfinished:
        text = json.dumps(vocabulary, ensure_ascii=False, indent=0)
        unfinished.write_text(text + "\n", encoding="utf-8")
    return path


def _record(dataset: DataSet, built: Built) -> None:
    """Put `built` at the end of dataset.yaml; what the author wrote stays as it is."""
    path = dataset.folder / DATASET
    text = path.read_text(encoding="utf-8").partition(HEAD)[0]
    found = yaml.safe_dump({"built": asdict(built)}, sort_keys=False, width=100)
    with atomic(path) as unfinished:
        unfinished.write_text(f"{text.rstrip()}\n\n{HEAD}{found}", encoding="utf-8")
