"""Plays: metrics of what a trained model does, for the criteria of lab.yaml.

@play("balance", returns="float32 [N]")  # what one answer of `act` must be
def balance(player, rng):                # scorer; one number for each episode, float [N]
\"\"\"Share of the carts that stand upright in the end.\"\"\"
state = torch.rand(100, 2, generator=rng)
player.reset()                       # a model that remembers forgets
for _ in range(50):
state = step(state, player.act(state))
return state.abs().sum(1) < 0.1

@play("linear-probe", items=True)        # the items that score the criterion
def linear_probe(player, rng, items):
codes = player.call("encode", items.inputs["image"], returns="float32 [N, 64]")
return accuracy(fit(codes, rng), items.labels())
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, overload

from torch import Tensor

from dllab.checks.arrays import Arrays
from dllab.checks.probing import Probe
from dllab.metrics import Measured

ARTIFACTS = "DLLAB_ARTIFACTS"  # the variable of a worker's environment that says where they lie


@dataclass(frozen=True)
class ArtifactPath:
    """A file that was handed in, as lab.yaml names it. Who gets it in the sandbox gets a Path."""

    name: str

    @property
    def path(self) -> Path:
        """Where it lies, in the sandbox; the scorer never opens it."""
        return Path(os.environ[ARTIFACTS]) / self.name


Value = Tensor | ArtifactPath | str | int | float | bool | None


class Player(Protocol):
    """A trained model behind the wall, as a play sees it. Its failure ends the play.

    Each answer is validated as `dtype [d0, d1, …]`, as those of checks are; N stands for as many as
    were asked: the length of the first array, or the n of `sample`.
    """

    @overload
    def call(self, method: str, *values: Value, returns: str, **named: Value) -> Tensor: ...

    @overload
    def call(
        self, method: str, *values: Value, returns: Mapping[str, str], **named: Value
    ) -> Arrays: ...

    def call(
        self, method: str, *values: Value, returns: str | Mapping[str, str], **named: Value
    ) -> Tensor | Arrays:
        """What a method of the model returns: one array, or a dict of arrays.

        In a lab without arms: what a function of lab.py returns.
        """
        ...

    def sample(self, n: int, seed: int, **conditions: Value) -> Tensor:
        """What `Model.sample(n, seed, **conditions)` generates, of the form of the play."""
        ...

    def act(self, observations: Tensor) -> Tensor:
        """What `Model.act(observations)` does about `[N, …]` observations, of the play's form."""
        ...

    def probe(
        self, function: Probe, given: Arrays, returns: str | Mapping[str, str]
    ) -> Tensor | Arrays:
        """What a function of checks.py or `_author/probes.py` returns, in a sandbox of its own.

        No learner code runs there (`lab` is None): it is for reading what was handed in.
        """
        ...

    def reset(self, *values: Value) -> None:
        """Begin a new episode: `Model.reset(*values)`, for a model that remembers."""
        ...


class PlayItems(Protocol):
    """The items that score a criterion, as a play with `items=True` gets them."""

    @property
    def inputs(self) -> Arrays:
        """What a model may see of each item, and what all items share."""
        ...

    def labels(self) -> Arrays:
        """What it may not see. The labels end the play: the model is gone when they are opened."""
        ...


@dataclass(frozen=True)
class Play:
    """A metric that is played; `measure(player, rng)`, or `measure(player, rng, items)`.

    It returns one number for each episode or sample, float or bool `[N]`, whose mean is the metric,
    or what a metric of dllab.metrics has measured. `returns` declares the answers of `sample` and
    `act`.
    """

    name: str
    returns: str
    measure: Callable[..., Tensor | Measured]
    items: bool = False
    sentence: str = ""


def play(
    name: str, *, returns: str = "", items: bool = False
) -> Callable[[Callable[..., Tensor | Measured]], Play]:
    """Turn a function of a lab's checks into the metric of that name, for criteria of lab.yaml."""

    def decorate(measure: Callable[..., Tensor | Measured]) -> Play:
        return Play(name, returns, measure, items, " ".join((measure.__doc__ or "").split()))

    return decorate
