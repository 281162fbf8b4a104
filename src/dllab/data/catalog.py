"""The data sets there are: a folder data/NAME each, in the project and beside other labs.

Every row of a set has an id: its number in the original files (official training rows first, then
official test rows). partition.parquet gives each id one part, once and for all:

    train, val, test   released: committed to the repository where the licence allows
    full_extra         what `size="full"` adds to train
    reserved           hidden sets are drawn from these; no config ever trains on them
    unused             a copy of an earlier row, an empty one, or one that reaches across a border
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from dllab.data.description import Built, Column, Description
from dllab.data.files import DataError, check_sha256
from dllab.errors import LabError
from dllab.lab.checked import Checked, checked, parse_mapping, remembered
from dllab.lab.project import lab_roots, project_root

Model = TypeVar("Model", bound=Checked)

DATASET, PARTITION = "dataset.yaml", "partition.parquet"
VOCABULARY, SHARED = "vocabulary.json", "shared.safetensors"
RESTORE = "restore it with: git checkout -- data"


@dataclass(frozen=True)
class DataSet:
    """One data set: its folder, and what its dataset.yaml says."""

    folder: Path
    about: Description

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def title(self) -> str:
        """What a person reads."""
        return self.about.title

    @property
    def columns(self) -> Mapping[str, Column]:
        """The tensors of its items, by name."""
        return self.about.columns

    @property
    def inputs(self) -> tuple[str, ...]:
        """What an item is made of: its own input columns, without lengths."""
        counted = {column.lengths for column in self.columns.values()}
        own = self.about.named("input", shared=False)
        return tuple(name for name in own if name not in counted)

    @property
    def shared(self) -> tuple[str, ...]:
        """The columns that all items share."""
        return tuple(name for name, column in self.columns.items() if column.shared)

    @property
    def classes(self) -> tuple[str, ...]:
        """What the labels 0, 1, … stand for; empty where the label is not a class."""
        targets = (self.columns[name] for name in self.about.named("target"))
        return next((column.classes for column in targets if column.classes), ())

    @property
    def built(self) -> Built:
        """What `dllab data build` found.

        Raises:
            DataError: it was never built.

        """
        if self.about.built is None:
            raise DataError(
                f"{self.folder / DATASET} has no rows yet", f"run: dllab data build {self.name}"
            )
        return self.about.built

    def vocabulary(self) -> list[str]:
        """The words or characters behind the ids; DataError where there are no tokens."""
        if VOCABULARY not in self.built.files:
            raise DataError(f"{self.name} has no vocabulary", "only sets of tokens have one")
        words: list[str] = json.loads(self.file(VOCABULARY).read_text(encoding="utf-8"))
        return words

    def file(self, name: str) -> Path:
        """One of its files, checked by its sha256."""
        path = self.folder / name
        check_sha256(path, self.built.files[name], RESTORE)
        return path


def data_folders(root: Path | None = None) -> list[Path]:
    """Where data sets lie: the project's data/, and data/ in each other folder of labs."""
    root = root or project_root()
    return [root / "data", *(labs / "data" for labs in lab_roots(root) if labs != root / "labs")]


def folders_with(file: str, root: Path | None = None) -> dict[str, Path]:
    """The folders that hold such a file, by name.

    Raises:
        DataError: two of them have one name.

    """
    found: dict[str, Path] = {}
    for folder in data_folders(root):
        for path in sorted(folder.glob(f"*/{file}")):
            name = path.parent.name
            if name in found:
                raise DataError(
                    f"{name} is there twice: {found[name]} and {path.parent}",
                    "rename one of the folders",
                )
            found[name] = path.parent
    return found


def catalog(root: Path | None = None) -> dict[str, DataSet]:
    """All data sets, by name."""
    kept = kept_descriptions(root)
    return {name: read_set(folder, kept) for name, folder in folders_with(DATASET, root).items()}


def find(name: str, root: Path | None = None) -> DataSet:
    """The data set called `name`, in the project at `root` (default: the one entered).

    Raises:
        DataError: there is none (the hint lists those there are), or its description is wrong.

    """
    folders = folders_with(DATASET, root)
    if name not in folders:
        raise DataError(f"there is no data set {name!r}", f"choose one of: {', '.join(folders)}")
    return read_set(folders[name], kept_descriptions(root))


def cache_folder() -> Path:
    """Where decoded tensors are kept."""
    return project_root() / ".cache" / "data"


def class_names(name: str) -> list[str]:
    """What the labels 0, 1, … of a set stand for; empty for a language model's stream."""
    return list(find(name).classes)


def vocabulary(name: str) -> list[str]:
    """The words or characters behind the ids: entry 0 is padding, entry 1 anything unknown.

    Raises:
        DataError: the set holds no tokens, or the committed vocabulary is damaged.

    """
    return find(name).vocabulary()


def fingerprint(name: str, root: Path | None = None) -> str:
    """A sha256 over all that decides a set's tensors: rows, files, partition, columns."""
    dataset = find(name, root)
    columns = {key: asdict(column) for key, column in dataset.columns.items()}
    facts = {"kind": dataset.about.kind, "columns": columns, **asdict(dataset.built)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def part_ids(dataset: DataSet, *parts: str) -> Tensor:
    """The ids of all rows in the given parts, ascending. int64 `[N]`."""
    import pyarrow.parquet as pq

    column = pq.ParquetFile(dataset.file(PARTITION)).read(["part"])["part"].to_pylist()
    return torch.tensor([i for i, part in enumerate(column) if part in parts], dtype=torch.int64)


def read_set(folder: Path, kept: Path | None = None) -> DataSet:
    """The data set in a folder, in a project or not; DataError where its description is wrong."""
    path = folder / DATASET
    return _read(path, path.stat().st_mtime_ns, kept)


@lru_cache(maxsize=256)
def _read(path: Path, _mtime_ns: int, kept: Path | None) -> DataSet:
    return DataSet(path.parent, read_description(path, Description, kept))


def read_description(path: Path, model: type[Model], kept: Path | None) -> Model:
    """A YAML file as its model; with a folder `kept`, what was checked before is read from there.

    Raises:
        DataError: it is not YAML, or not what the model asks for; the key is named.

    """
    content = path.read_bytes()

    def check() -> Model:
        return checked(parse_mapping(content, path), model, path)

    try:
        return (
            remembered(kept / f"{path.parent.name}.json", content, model, check)
            if kept
            else check()
        )
    except LabError as error:
        raise DataError(error.what, error.hint or "see docs/authors.md") from None


def kept_descriptions(root: Path | None = None) -> Path:
    """Where the project keeps descriptions that were found good."""
    return (root or project_root()) / ".cache" / "descriptions"
