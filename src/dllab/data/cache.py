"""Decoded tensors on disk: `.cache/data/<sha256 of the key>.safetensors`.

Only what can be made again lies here. A file that does not match the checksum in its own header is
made anew, so a damaged cache costs seconds and never a wrong number.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from dllab.data.catalog import cache_folder
from dllab.data.files import atomic, locked
from dllab.data.tensors import Tensors


def cached(key: str, make: Callable[[], Tensors]) -> Tensors:
    """The tensors under `key`; made and stored when they are not there or damaged.

    Where the cache cannot be written (a read-only project), they are made each time.
    """
    path = cache_folder() / f"{hashlib.sha256(key.encode()).hexdigest()}.safetensors"
    tensors = read(path)
    if tensors is not None:
        return tensors
    if not _writable(path.parent):
        return dict(sorted(make().items()))
    with locked(path):
        tensors = read(path)  # another process may have made it while we waited
        if tensors is None:
            tensors = dict(sorted(make().items()))
            write(path, tensors)
        return tensors


def read(path: Path) -> Tensors | None:
    """The tensors of a cache file, or None when it is absent or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            expected = (file.metadata() or {}).get("sha256")
    except (FileNotFoundError, SafetensorError):
        return None
    return tensors if digest(tensors) == expected else None


def write(path: Path, tensors: Tensors) -> None:
    """Store tensors with their checksum, whole or not at all."""
    with atomic(path) as unfinished:
        save_file(tensors, unfinished, metadata={"sha256": digest(tensors)})


def digest(tensors: Tensors) -> str:
    """A sha256 over names, dtypes, shapes and values."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        sha.update(value.numpy().reshape(-1).view("uint8").data)
    return sha.hexdigest()


def _writable(folder: Path) -> bool:
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    return os.access(nearest, os.W_OK)
