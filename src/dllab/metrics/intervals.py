"""What a measurement is worth: a value with its two-sided 95 % interval and one-sided bounds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Z_TWO_SIDED = 1.959963984540054  # standard normal quantile of 0.975
Z_ONE_SIDED = 1.6448536269514722  # of 0.95
RESAMPLES = 2000

Counts = NDArray[np.int64]
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class Interval(NamedTuple):
    """Lower and upper bound."""

    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """A metric on `n` items. `direction` says whether more (`max`) or less (`min`) is better.

    `ci95` holds the true value in 95 of 100 samples. Each bound of `one_sided` alone is passed by
    the true value in 5 of 100: the grader asks whether a value is worse than a target beyond that.
    """

    value: float
    n: int
    ci95: Interval
    one_sided: Interval
    unit: str = ""
    direction: Literal["max", "min"] = "max"


def wilson(successes: int, n: int, z: float) -> Interval:
    """Score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22, 209-212).

    (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n); sound at 0 and 1 and for small n.
    """
    p = successes / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return Interval(max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale))


def normal(mean: float, standard_error: float, z: float) -> Interval:
    """Mean ± z standard errors: the central limit theorem, for means over many items."""
    return Interval(mean - z * standard_error, mean + z * standard_error)


def bootstrap(confusion: Counts, statistic: Statistic) -> tuple[Interval, Interval]:
    """Percentile bootstrap of a statistic of the confusion matrix (Efron 1979, Ann. Stat. 7, 1-26).

    Drawing n items with replacement and counting them is one multinomial draw over the cells, so
    all resamples are made at once. `statistic` maps `[R, C, C]` counts (row: truth, column:
    prediction) to `[R]`. The seed is fixed: the same counts give the same interval. Returns the
    two-sided 95 % interval and the one-sided 95 % bounds.
    """
    n, classes = int(confusion.sum()), len(confusion)
    draws = np.random.default_rng(0).multinomial(n, confusion.ravel() / n, size=RESAMPLES)
    values = statistic(draws.reshape(-1, classes, classes).astype(np.float64))
    low, low_one, high_one, high = np.quantile(values, [0.025, 0.05, 0.95, 0.975]).tolist()
    return Interval(low, high), Interval(low_one, high_one)
