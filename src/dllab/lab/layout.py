"""The form of items and of scores: what is an input, padded or shared; what `predict` returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from dllab.data import Column, find
from dllab.data.kinds import kind_of
from dllab.errors import LabError

Arrays = dict[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """A data set's columns, and how many classes its label or its tokens have (0: none)."""

    columns: Mapping[str, Column]
    classes: int = 0

    @classmethod
    def of(cls, name: str, root: Path | None = None) -> "Layout":
        """Of a data set of a project; DataError where there is none."""
        dataset = find(name, root)
        classes = len(dataset.classes)
        if not classes and kind_of(dataset).cuts:
            classes = len(dataset.vocabulary())
        return cls(dataset.columns, classes)

    @property
    def shared(self) -> tuple[str, ...]:
        """The columns that all items share: given whole."""
        return tuple(name for name, column in self.columns.items() if column.shared)

    @property
    def padded(self) -> Mapping[str, str]:
        """Input columns with padding, each with the column that says how long an item is."""
        inputs = {n: c for n, c in self.columns.items() if c.role == "input" and c.lengths}
        return {name: column.lengths for name, column in inputs.items()}

    def inputs(self, items: Mapping[str, Tensor]) -> Arrays:
        """What a model may see of these items."""
        return self._of_roles(items, ("input",))

    def secrets(self, items: Mapping[str, Tensor]) -> Arrays:
        """What it may not see: targets and groups."""
        return self._of_roles(items, ("target", "group"))

    def groups(self, items: Mapping[str, Tensor]) -> Tensor | None:
        """The group of each item, int64 `[N]`, where the set has groups."""
        names = [name for name, column in self.columns.items() if column.role == "group"]
        return next((items[name] for name in names if name in items), None)

    def per_item(self, items: Mapping[str, Tensor]) -> Arrays:
        """The arrays that have a row for each item."""
        return {name: value for name, value in items.items() if name not in self.shared}

    def count(self, items: Mapping[str, Tensor]) -> int:
        """How many items there are."""
        return len(next(iter(self.per_item(items).values())))

    def _of_roles(self, items: Mapping[str, Tensor], roles: tuple[str, ...]) -> Arrays:
        return {name: items[name] for name, c in self.columns.items() if c.role in roles}


def scores_form(declared: str, own: str, layout: Layout) -> str:
    """What `predict` returns, `dtype [N, …]` with numbers for all dimensions but N.

    `declared` is the metric's, `own` what the arm says of it, or empty. C are the classes of the
    set, `...` stands for the dimensions of `label` behind the first, or for any that the arm says.
    Raises LabError when a dimension stays open, or arm and metric do not agree.
    """
    dtype, wanted = _parts(declared)
    if own:
        own_dtype, said = _parts(own)
        if own_dtype != dtype or not _agree(wanted, said):
            raise LabError(f"scores: {own} is said, and the metric wants {declared}")
        return own
    label = layout.columns.get("label")
    known = {
        "C": [str(layout.classes)] if layout.classes else ["C"],
        "...": list(map(str, label.shape)) if label else ["..."],
    }
    dims = [part for dim in wanted for part in known.get(dim, [dim])]
    if not all(dim.isdecimal() for dim in dims[1:]):
        raise LabError(
            f"what predict returns is not known: {dtype} [{', '.join(dims)}]",
            "say it in lab.yaml: arms: {NAME: {scores: 'float32 [N, 4]'}}",
        )
    return f"{dtype} [{', '.join(dims)}]"


def _parts(form: str) -> tuple[str, list[str]]:
    dtype, _, dims = form.partition(" ")
    return dtype, [dim.strip() for dim in dims.strip("[]").split(",") if dim.strip()]


def _agree(wanted: list[str], said: list[str]) -> bool:
    """Whether numbers that are said fit the letters and dots of what is wanted."""
    if "..." in wanted:
        at = wanted.index("...")
        wanted = [*wanted[:at], *["*"] * (len(said) - len(wanted) + 1), *wanted[at + 1 :]]
    pairs = zip(wanted, said, strict=False)
    return len(wanted) == len(said) and all(not a.isdecimal() or a == b for a, b in pairs)
