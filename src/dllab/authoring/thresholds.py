"""How a threshold follows from runs of the reference: mean minus three standard deviations."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from dllab.lab.spec import Criterion

SIGMAS = 3.0
LEAST_SEEDS = 5


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of a criterion over seeds."""

    mean: float
    sd: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least two values."""
        return cls(statistics.fmean(values), statistics.stdev(values))


def bigger_is_better(criterion: Criterion) -> bool:
    """Which way is up for a criterion."""
    return criterion.target > criterion.floor


def pass_threshold(spread: Spread, *, up: bool) -> float:
    """Three standard deviations on the easy side of the mean, rounded towards easier."""
    edge = spread.mean - SIGMAS * spread.sd if up else spread.mean + SIGMAS * spread.sd
    return rounded(edge, up=not up)


def rounded(value: float, *, up: bool) -> float:
    """Rounded to hundredths below 10, tenths below 100, whole numbers above."""
    digits = max(0, 2 - max(0, math.floor(math.log10(max(abs(value), 1e-9)))))
    scaled = round(value * 10**digits, 6)  # 0.85 * 100 is 85 here, not 84.99…
    whole = math.ceil(scaled) if up else math.floor(scaled)
    return float(whole / 10**digits)


def beats(value: float, other: float, *, up: bool) -> bool:
    """Whether `value` is strictly better than `other`."""
    return value > other if up else value < other
