"""What a data set says of itself: the typed form of data/NAME/dataset.yaml and weights.yaml."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

RELEASED = ("train", "val", "test")
PARTS = (*RELEASED, "full_extra", "reserved", "unused")

Role = Literal["input", "target", "group"]
Part = Literal["train", "val", "test", "full_extra", "reserved", "unused"]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class Described(BaseModel):
    """Frozen, and strict about keys: a misspelt one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(Described):
    """One tensor of a set's items.

    `shape` is one item's: an axis whose size is not fixed has a name (`[T, 12]`), and is as wide as
    its longest item. `lengths` names the int64 column that counts how many steps of the first axis
    are real; what lies behind them is padding. A `shared` column is one tensor for all items, with
    no axis for them: a graph's edges, a catalogue of products.

    A model sees inputs. Targets and groups stay with the scorer; a group (a speaker, a subject)
    says which items are not independent.
    """

    dtype: Literal["bool", "uint8", "int16", "int32", "int64", "float32", "float64"]
    shape: tuple[Annotated[int, Field(ge=1)] | str, ...] = ()
    role: Role = "input"
    lengths: str = ""
    shared: bool = False
    classes: tuple[str, ...] = ()  # what the numbers 0, 1, … of a label or a group stand for
    names: tuple[str, ...] = ()  # of the numbers along the last axis, as in a table
    categories: tuple[tuple[str, ...], ...] = ()  # of a table: the values behind each name's codes
    rate: Annotated[int, Field(ge=0)] = 0  # samples per second, where the first axis is time

    def __str__(self) -> str:
        """As people read it: `float32 [N,29,12]`."""
        axes = self.shape if self.shared else ("N", *self.shape)
        return f"{self.dtype} [{','.join(map(str, axes))}]"

    @property
    def most(self) -> int | None:
        """The largest number of steps that fits a padded column; None where there is no limit."""
        return self.shape[0] if isinstance(self.shape[0], int) else None


class Source(Described):
    """One place that has the original files.

    `kind` is hub (Hugging Face), mirror (plain HTTP), apt, pip, npm, sklearn (installed with it) or
    hand (a person puts the files there); `name` the repository, the base address, the package or
    scikit-learn's loader; `files` maps what is downloaded to its sha256 ("" when only the content
    check vouches for it); `bytes` is the size of the download.
    """

    kind: Literal["hub", "mirror", "apt", "pip", "npm", "sklearn", "hand"]
    name: str
    version: str = ""
    files: Mapping[str, Sha256 | Literal[""]] = Field(default_factory=dict)
    bytes: Count = 0


class Division(Described):
    """How rows are divided into parts, once and for all.

    `by: label` keeps the proportions of the classes (or of the quarters of a real-valued label);
    `group` never puts rows of one group into two parts, and its `sizes` count groups; `time` lets
    train come before val, val before test, test before reserved; `random` asks for nothing. `on` is
    the row's column that holds the label, the group or the time. A row that covers `span` units of
    time is unused where it would reach into a later part.

    Where there is an official test split, its rows begin with id `test_from`; test and reserved are
    drawn from it. What `sizes` leaves over is `full_extra`, or, in the test split, reserved.
    """

    by: Literal["label", "group", "time", "random"] = "label"
    on: str = "label"
    span: Annotated[int, Field(ge=1)] = 1
    test_from: Count = 0
    sizes: Mapping[Literal["train", "val", "test", "reserved"], Annotated[int, Field(ge=1)]]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if missing := [part for part in (*RELEASED, "reserved") if part not in self.sizes]:
            raise ValueError(f"sizes has no {', '.join(missing)}")
        if self.by == "time" and self.test_from:
            raise ValueError("test_from: time alone says what is tested")
        return self


class Built(Described):
    """What `dllab data build` found: of the rows in the order of their ids, and of the files."""

    rows: Count
    content: Sha256
    parts: Mapping[Part, Count]
    files: Mapping[str, Sha256]


class Description(Described):
    """One data set: data/NAME/dataset.yaml.

    `kind` is a module of dllab.data.kinds. `reader` turns original files into rows: a name among
    READERS of dllab.data.readers, or by default `read` in the set's own read.py. `committed` says
    whether the licence lets the released rows lie in the repository. `built` is written by
    `dllab data build`, all else by the author.
    """

    title: str
    kind: str
    licence: str
    attribution: str = ""
    origin: str = ""
    committed: bool = True
    columns: Mapping[str, Column]
    reader: str = "read.py"
    division: Division
    sources: tuple[Source, ...]
    built: Built | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name, column in self.columns.items():
            if problem := _problem(column, self.columns):
                raise ValueError(f"column {name}: {problem}")
        return self

    def named(self, role: Role, *, shared: bool | None = None) -> tuple[str, ...]:
        """The columns of one role, in the order in which they stand."""
        return tuple(
            name
            for name, column in self.columns.items()
            if column.role == role and shared in (None, column.shared)
        )


class WeightsDescription(Described):
    """Pretrained weights: data/NAME/weights.yaml. `member` is the state dict's file in there."""

    title: str
    licence: str
    attribution: str = ""
    origin: str = ""
    member: str
    sources: tuple[Source, ...]


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
