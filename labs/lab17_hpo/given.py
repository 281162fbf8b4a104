"""Given to you: the space, real curves of five hundred small networks, and who answers a search."""

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dllab.data import load

EPOCHS, ETA = 9, 3


@dataclass(frozen=True)
class Dim:
    """One hyperparameter: `log` and `linear` from the first of its values to the last, or a choice
    of them.
    """

    name: str
    scale: str
    values: tuple[float, ...]


SPACE = (
    Dim("lr", "log", (1e-3, 1.0)),
    Dim("momentum", "linear", (0.0, 0.98)),
    Dim("weight_decay", "log", (1e-6, 1e-1)),
    Dim("dropout", "linear", (0.0, 0.6)),
    Dim("width", "choice", (4, 8, 16, 24)),
    Dim("batch", "choice", (16, 32, 64, 128)),
)

# A search is a generator. It yields questions: which configurations (places int64 [K] in the
# table), trained for how many epochs? `score_K = yield place_K, epochs` gets their validation
# accuracy, float64 [K]. It returns the place of its winner.
Question = tuple[Tensor, int]
Search = Generator[Question, Tensor, int]
Rungs = Sequence[tuple[int, int]]
Report = dict[str, Any]
Suggest = Callable[[Tensor, Tensor, int, torch.Generator], Tensor]


def to_unit(dim: Dim, value_N: Tensor) -> Tensor:
    """Where values stand in their dimension, from 0 to 1; a choice in the middle of its share."""
    first, last = dim.values[0], dim.values[-1]
    match dim.scale:
        case "log":
            return (value_N / first).log() / math.log(last / first)
        case "linear":
            return (value_N - first) / (last - first)
    nearest_N = (value_N[:, None] - torch.tensor(dim.values)).abs().argmin(1)
    return (nearest_N + 0.5).to(value_N) / len(dim.values)


@dataclass(frozen=True)
class Table:
    """Configurations, trained before: what a search would otherwise wait for."""

    unit_ND: Tensor  # noqa: N815 - shapes stand in names
    """float64, each hyperparameter from 0 to 1."""
    val_NE: Tensor  # noqa: N815
    test_NE: Tensor  # noqa: N815
    """Accuracy after each epoch, float64. A search sees `val_NE` alone."""


def as_table(value_ND: Tensor, val_NE: Tensor, test_NE: Tensor) -> Table:
    """A table of raw hyperparameters and curves."""
    unit = [to_unit(dim, value_ND[:, d].double()) for d, dim in enumerate(SPACE)]
    return Table(torch.stack(unit, 1), val_NE.double(), test_NE.double())


def public() -> dict[str, Tensor]:
    """The 500 released configurations, those from other seeds among them."""
    parts = [load("network_curves", split) for split in ("train", "val", "test")]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def public_table() -> Table:
    """Each of the 500 released configurations, trained once."""
    rows = public()
    once = rows["features"][:, -1] == 0
    return as_table(rows["features"][once, :-1], rows["val"][once], rows["test"][once])


def finalists() -> tuple[Tensor, Tensor]:
    """Last validation and test accuracy of the best, float64 [20, 3], trained from three seeds."""
    rows = public()
    number, count = rows["number"].unique(return_counts=True)
    wanted = [rows["number"] == n for n in number[count == 3]]
    val, test = (
        torch.stack([rows[part][of, -1][rows["features"][of, -1].argsort()] for of in wanted])
        for part in ("val", "test")
    )
    best = val[:, 0].argsort(descending=True)[:20]
    return val[best].double(), test[best].double()


@dataclass
class Ledger:
    """What a search has asked, been told and paid."""

    paid: list[int] = field(default_factory=list)
    """Epochs paid in all, after each question."""
    score: list[Tensor] = field(default_factory=list)
    winner: int = -1


class BudgetError(Exception):
    """A search asked for more epochs than it has."""


def run(search: Search, val_NE: Tensor, budget: int) -> Ledger:
    """Answer a search from a table. Who was trained before goes on, and pays for the rest."""
    ledger, trained_N = Ledger(), torch.zeros(len(val_NE), dtype=torch.int64)
    try:
        place_K, epochs = next(search)
        while True:
            trained_N[place_K] = trained_N[place_K].clamp(min=epochs)
            ledger.paid.append(int(trained_N.sum()))
            if ledger.paid[-1] > budget:
                raise BudgetError(f"{ledger.paid[-1]} epochs were asked for, of {budget}")
            ledger.score.append(val_NE[place_K, epochs - 1])
            place_K, epochs = search.send(ledger.score[-1])
    except StopIteration as end:
        ledger.winner = int(end.value)
    return ledger


class Desk:
    """Passes questions and answers between your search and a scorer who owns the table."""

    def __init__(self) -> None:
        self.search: Search | None = None

    def begin(self, search: Search) -> Tensor:
        """Start a search: its first question."""
        self.search = search
        return self._told(lambda: next(search))

    def answer(self, score_K: Tensor) -> Tensor:
        """Go on with an answer: the next question."""
        search = self.search
        assert search is not None
        return self._told(lambda: search.send(score_K))

    def _told(self, go_on: Callable[[], Question]) -> Tensor:
        """int64: epochs and places, or 0 and the winner."""
        try:
            place_K, epochs = go_on()
        except StopIteration as end:
            return torch.tensor([0, int(end.value)])
        return torch.cat([torch.tensor([epochs]), torch.as_tensor(place_K).long()])


def bandwidth(count: int) -> float:
    """How wide the bell of each of `count` observations is: the more there are, the narrower."""
    return max(0.05, 0.3 * count**-0.2)


def frequency(known_M: Tensor, at_K: Tensor, choices: int) -> Tensor:
    """How often each choice was observed, as a density on [0, 1]; each counts as seen once more."""
    count = torch.bincount((known_M * choices).long(), minlength=choices) + 1
    return choices * (count / count.sum())[(at_K * choices).long()].to(at_K.dtype)
