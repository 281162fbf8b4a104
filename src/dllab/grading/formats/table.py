"""The recorded cells that a forecast is about: a table of runs, some of whose values are hidden.

`cells.csv` lies beside lab.py: a column `cell` with a name for each, the columns of its config, and
`value`, which is empty where the learner is to forecast it. `_author/cells.csv` holds `cell` and
`value` of those, and stays with the scorer.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dllab.errors import InfraError
from dllab.lab.find import Lab

NAME = "cells.csv"
BASELINE = (0.1, 0.9)  # the quantiles of an 80 % interval


@dataclass(frozen=True)
class Cell:
    """One recorded run. `value` is None where it is hidden from whoever reads."""

    name: str
    config: Mapping[str, str]
    value: float | None = None

    @property
    def told(self) -> str:
        """The config as a learner reads it."""
        return " ".join(f"{key}={value}" for key, value in self.config.items())


def read_cells(lab: Lab) -> tuple[Cell, ...]:
    """The released table; InfraError where it is not a table of cells."""
    return tuple(_read(lab.folder / NAME))


def read_hidden(lab: Lab) -> dict[str, float]:
    """The values of the hidden cells by name, for the scorer alone."""
    path = lab.folder / "_author" / NAME
    hidden = {cell.name: cell.value for cell in _read(path)}
    if empty := [name for name, value in hidden.items() if value is None]:
        raise _fault(path, f"{empty[0]} has no value")
    return {name: value for name, value in hidden.items() if value is not None}


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """The 10 % and 90 % quantiles, linear between the order statistics."""
    low, high = np.quantile(values, BASELINE)
    return float(low), float(high)


def _read(path: Path) -> Iterator[Cell]:
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except OSError as error:
        raise _fault(path, str(error.strerror)) from None
    for number, row in enumerate(rows, start=2):
        try:
            name, value = row.pop("cell"), row.pop("value")
            yield Cell(name, row, float(value) if value else None)
        except (KeyError, ValueError, TypeError) as error:
            raise _fault(path, f"line {number}: {error}") from None


def _fault(path: Path, what: str) -> InfraError:
    return InfraError(f"{path}: {what}", "a table of cells has the columns cell, its config, value")
