"""From original files to rows: each reader takes a folder and returns all rows, ordered by id.

A set whose files have a format of their own brings its reader along: `read(folder)` in its read.py.
"""

import gzip
import importlib.util
import struct
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from dllab.data.catalog import DataSet
from dllab.data.files import DataError
from dllab.data.rows import Rows

Reader = Callable[[Path], Rows]


def reader_of(dataset: DataSet) -> Reader:
    """What turns the set's original files into rows.

    Raises:
        DataError: there is no such reader.

    """
    name = dataset.about.reader
    if name in READERS:
        return READERS[name]
    path = dataset.folder / name
    spec = importlib.util.spec_from_file_location(f"dllab_reader_of_{dataset.name}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise DataError(
            f"{dataset.name} has no reader: {path} is missing",
            f"write `read(folder)` there, or name one of: {', '.join(READERS)}",
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    read: Reader = module.read
    return read


def find_file(folder: Path, pattern: str) -> Path:
    """The one file below a folder that is called so.

    Raises:
        DataError: there is none.

    """
    found = sorted(path for path in folder.rglob(pattern) if path.is_file())
    if not found:
        raise DataError(f"{folder} holds no {pattern}", "fetch it again")
    return found[0]


def read_idx(folder: Path) -> Rows:
    """MNIST's own format, plain or gzipped: grey images, training rows before test rows."""
    splits = ("train", "t10k")
    images = [_idx(find_file(folder, f"{split}-images-idx3-ubyte*")) for split in splits]
    labels = [_idx(find_file(folder, f"{split}-labels-idx1-ubyte*")) for split in splits]
    return {"image": torch.cat(images).unsqueeze(1), "label": torch.cat(labels).long()}


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


READERS: dict[str, Reader] = {"idx": read_idx}
