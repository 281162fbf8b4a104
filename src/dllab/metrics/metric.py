"""What a metric is: the scores that it wants, which way is better, and how its interval is made.

A lab brings one of its own beside its checks, in checks.py (visible) or `_author/checks.py`:

    @metric("mase", scores="float32 [N, 4]", direction="min")
    def mase(scores, items):                 # a number for each item: the metric is their mean
        \"\"\"Mean absolute error, in units of the error of the naive forecast.\"\"\"
        return (scores - items["label"]).abs().mean(1) / naive_error(items["series"])

`items` holds all arrays that the set has of each item: what `predict` was given, and what not.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from dllab.metrics.intervals import (
    RESAMPLES,
    Bounds,
    Counts,
    Measured,
    Statistic,
    Values,
    Weights,
    bootstrap,
    bounds_of_mean,
)
from dllab.result import Direction

Items = Mapping[str, Tensor]
Groups = Tensor | None
Measure = Callable[[Tensor, Items, Groups], tuple[float, Bounds]]


@dataclass(frozen=True)
class Metric:
    """A way to measure scores against the items of a set.

    `scores` declares what `predict` returns as `dtype [d0, d1, …]`, where a dimension is a number,
    N (the items), C (the classes of the set) or `...` (the label's dimensions behind the first).
    `measure` gives the value, and what chance leaves open of it.
    """

    name: str
    scores: str
    direction: Direction
    measure: Measure
    unit: str = ""
    sentence: str = ""

    @property
    def of_classes(self) -> bool:
        """Whether what it measures are scores of the classes of a set."""
        return self.scores.partition("[N, ")[2][:1] == "C"

    def __call__(self, scores: Tensor, items: Items, groups: Groups = None) -> Measured:
        """The metric on these items, with its interval; over `groups` int64 `[N]` where given.

        Raises ValueError when there are no items, or when no finite number comes out.
        """
        if len(scores) == 0:
            raise ValueError(f"{self.name}: there are no items")
        value, bounds = self.measure(scores, items, groups)
        if not math.isfinite(value):
            raise ValueError(f"{self.name} is {value} on these {len(scores)} items")
        return Measured(
            value, len(scores), bounds.ci95, bounds.one_sided, self.unit, self.direction
        )


def metric(
    name: str,
    *,
    scores: str,
    direction: Direction,
    interval: Literal["mean", "bootstrap", "weights"] = "mean",
    unit: str = "",
    resamples: int = RESAMPLES,
) -> Callable[[Callable[..., Any]], Metric]:
    """Turn a function into the metric of that name, for criteria of lab.yaml.

    `interval` says what the function returns and how the interval is made of it. `mean`: a number
    for each item, `[N]`, whose mean is the metric (bool makes it a share). `bootstrap`: one number,
    and the function is called again on `resamples` draws of the items. `weights`: a Weighted from
    (scores, items, groups), prepared once and asked for many draws.
    """
    ways: dict[str, Callable[..., Measure]] = {
        "mean": by_mean,
        "bootstrap": partial(by_drawing, resamples=resamples),
        "weights": by_weights,
    }

    def decorate(compute: Callable[..., Any]) -> Metric:
        sentence = " ".join((compute.__doc__ or "").split())
        return Metric(name, scores, direction, ways[interval](compute), unit, sentence)

    return decorate


def metrics_of(module: ModuleType) -> dict[str, Metric]:
    """All metrics that are written in a module, by name."""
    return {one.name: one for one in vars(module).values() if isinstance(one, Metric)}


@dataclass(frozen=True)
class Weighted:
    """A statistic of weighted units, with what `bootstrap` wants to know of them."""

    statistic: Statistic
    counts: Counts
    groups: Counts | None = None
    width: int = 0

    @classmethod
    def each(cls, statistic: Statistic, n: int, groups: Groups, width: int = 0) -> "Weighted":
        """Of n items that count one by one."""
        ones = np.ones(n, dtype=np.int64)
        return cls(statistic, ones, None if groups is None else groups.numpy(), width)

    def bounds(self, resamples: int = RESAMPLES) -> Bounds:
        """What chance leaves open of its value."""
        return bootstrap(self.statistic, self.counts, self.groups, resamples, self.width)


def by_mean(compute: Callable[[Tensor, Items], Tensor | float]) -> Measure:
    """The mean of a number for each item, with the interval of a mean."""

    def measure(scores: Tensor, items: Items, groups: Groups) -> tuple[float, Bounds]:
        numbers = compute(scores, items)
        if not isinstance(numbers, Tensor) or numbers.shape != scores.shape[:1]:
            raise ValueError("a metric whose interval is that of a mean returns a number per item")
        return float(numbers.double().mean()), bounds_of_mean(numbers, groups)

    return measure


def by_drawing(
    compute: Callable[[Tensor, Items], Tensor | float], resamples: int = RESAMPLES
) -> Measure:
    """One number for all items, made anew for each draw of the items."""

    def measure(scores: Tensor, items: Items, groups: Groups) -> tuple[float, Bounds]:
        def of_drawn(row: Weights) -> float:
            chosen = torch.from_numpy(np.repeat(np.arange(len(row)), row.astype(np.int64)))
            drawn = {name: value[chosen] for name, value in items.items()}
            return float(compute(scores[chosen], drawn))

        def statistic(weights: Weights) -> Values:
            return np.array([of_drawn(row) for row in weights])

        drawn = Weighted.each(statistic, len(scores), groups)
        return float(compute(scores, items)), drawn.bounds(resamples)

    return measure


def by_weights(prepare: Callable[[Tensor, Items, Groups], Weighted]) -> Measure:
    """A statistic that is prepared once and then asked for many weights: fast."""

    def measure(scores: Tensor, items: Items, groups: Groups) -> tuple[float, Bounds]:
        made = prepare(scores, items, groups)
        value = float(made.statistic(made.counts[None].astype(np.float64))[0])
        return value, made.bounds()

    return measure
