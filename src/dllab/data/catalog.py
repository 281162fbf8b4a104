"""data/catalog.yaml: what each data set is, where it comes from, and which rows serve what.

Every row of a set has an id: its number in the original files (official training rows first, then
official test rows). The partition gives each id one part, once and for all:

    train, val, test   released: committed to the repository where the licence allows
    full_extra         what `size="full"` adds to train
    reserved           hidden sets are drawn from these; no config ever trains on them
    unused             an exact copy of an earlier row, or an empty one
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from dllab.data.files import DataError, check_sha256
from dllab.lab.project import find_root

RELEASED = ("train", "val", "test")
PARTS = (*RELEASED, "full_extra", "reserved", "unused")
RESTORE = "restore it with: git checkout -- data"


@dataclass(frozen=True)
class Source:
    """One place that has the original files.

    `kind` is hub (Hugging Face), mirror (plain HTTP), apt, pip or npm; `name` the repository, the
    base address or the package; `files` maps what is downloaded to its sha256 ("" when only the
    content check vouches for it).
    """

    kind: str
    name: str
    version: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    bytes: int = 0


@dataclass(frozen=True)
class DataSet:
    """One data set as the catalog describes it. `kind` is image, series, text or stream."""

    name: str
    title: str
    kind: str
    licence: str
    origin: str
    reader: str
    rows: int
    content: str
    parts: Mapping[str, int]
    shapes: Mapping[str, str]
    partition: str
    sources: tuple[Source, ...]
    test_from: int = 0
    attribution: str = ""
    classes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def committed(self) -> bool:
        """Whether the released rows are part of the repository."""
        return bool(self.files)


def catalog() -> dict[str, DataSet]:
    """All data sets of the project, by name."""
    return _read(data_folder() / "catalog.yaml")


def find(name: str) -> DataSet:
    """The data set called `name`.

    Raises:
        DataError: there is none; the hint lists those there are.

    """
    sets = catalog()
    if name not in sets:
        raise DataError(f"there is no data set {name!r}", f"choose one of: {', '.join(sets)}")
    return sets[name]


def data_folder() -> Path:
    """The project's data/ folder."""
    return find_root() / "data"


def cache_folder() -> Path:
    """Where decoded tensors are kept."""
    return find_root() / ".cache" / "data"


def class_names(name: str) -> list[str]:
    """What the labels 0, 1, … of a set stand for; empty for a language model's stream."""
    return list(find(name).classes)


def vocabulary(name: str) -> list[str]:
    """The words or characters behind the ids: entry 0 is padding, entry 1 anything unknown.

    Raises:
        DataError: the set holds no tokens, or the committed vocabulary is damaged.

    """
    dataset = find(name)
    path = next((f for f in dataset.files if f.endswith("vocabulary.json")), None)
    if path is None:
        raise DataError(f"{name} has no vocabulary", "only sets of tokens have one")
    words: list[str] = json.loads(committed_file(dataset, path).read_text(encoding="utf-8"))
    return words


def fingerprint(name: str) -> str:
    """A sha256 over all that decides a set's rows: committed files, partition, source content."""
    dataset = find(name)
    facts = {"files": dict(dataset.files), "partition": dataset.partition, "rows": dataset.content}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def committed_file(dataset: DataSet, path: str) -> Path:
    """A committed file of the set, checked by its sha256."""
    full = data_folder() / path
    check_sha256(full, dataset.files[path], RESTORE)
    return full


def part_ids(dataset: DataSet, *parts: str) -> Tensor:
    """The ids of all rows in the given parts, ascending. int64 `[N]`."""
    import pyarrow.parquet as pq

    path = data_folder() / "partition" / f"{dataset.name}.parquet"
    check_sha256(path, dataset.partition, RESTORE)
    column = pq.read_table(path)["part"].to_pylist()
    return torch.tensor([i for i, part in enumerate(column) if part in parts], dtype=torch.int64)


@functools.lru_cache(maxsize=4)
def _read_at(path: Path, _mtime_ns: int) -> dict[str, DataSet]:
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: _dataset(name, entry) for name, entry in entries.items()}


def _read(path: Path) -> dict[str, DataSet]:
    if not path.is_file():
        raise DataError(f"{path} is missing", RESTORE)
    return dict(_read_at(path, path.stat().st_mtime_ns))


def _dataset(name: str, entry: dict[str, Any]) -> DataSet:
    sources = tuple(Source(**source) for source in entry.pop("sources"))
    classes = tuple(str(label) for label in entry.pop("classes", ()))
    return DataSet(name=name, sources=sources, classes=classes, **entry)
