"""Plays: metrics of what a trained model generates or controls, for the criteria of lab.yaml."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

import torch
from torch import Tensor


class Player(Protocol):
    """A trained model behind the wall, as a play sees it. Its failure ends the play."""

    def sample(self, n: int, seed: int) -> Tensor:
        """What `Model.sample(n, seed)` generates, float32 `[n, …]`."""
        ...

    def act(self, observations: Tensor) -> Tensor:
        """What `Model.act(observations)` does about `[N, …]` observations, float32 `[N, …]`."""
        ...


@dataclass(frozen=True)
class Play:
    """A metric that is played: the mean of the numbers, one for each episode or sample.

    `returns` declares each answer of the model as checks do, its first dimension being `*`.
    """

    metric: str
    returns: str
    numbers: Callable[[Player, torch.Generator], Tensor]


def play(
    metric: str, *, returns: str
) -> Callable[[Callable[[Player, torch.Generator], Tensor]], Play]:
    """Turn a function of checks.py into the metric of that name, for criteria of lab.yaml."""
    return lambda numbers: Play(metric, returns, numbers)


def plays_of(module: ModuleType) -> dict[str, Play]:
    """All plays of a module, by the metric's name."""
    return {value.metric: value for value in vars(module).values() if isinstance(value, Play)}
