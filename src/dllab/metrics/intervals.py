"""What a measurement is worth: a value with its two-sided 95 % interval and one-sided bounds."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dllab.result import Direction

Z_TWO_SIDED = 1.959963984540054  # standard normal quantile of 0.975
Z_ONE_SIDED = 1.6448536269514722  # of 0.95
RESAMPLES = 2000
CELLS = 1 << 21  # weights held at a time, 16 MiB of them: resamples come in portions

Counts = NDArray[np.int64]
Weights = NDArray[np.float64]  # [R, N]: how often each of R resamples has drawn each item
Values = NDArray[np.float64]
Statistic = Callable[[Weights], Values]  # a value for each row of weights, [R]


class Interval(NamedTuple):
    """Lower and upper bound."""

    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """A metric on `n` items, or whatever is `counted`. `direction` says whether more is better.

    `ci95` holds the true value in 95 of 100 samples. Each bound of `one_sided` alone is passed by
    the true value in 5 of 100: the grader asks whether a value is worse than a target beyond that.
    """

    value: float
    n: int
    ci95: Interval
    one_sided: Interval
    unit: str = ""
    direction: Direction = "max"
    counted: str = "items"


@dataclass(frozen=True)
class Bounds:
    """What chance leaves open of a value: the two-sided interval, and the one-sided bounds."""

    ci95: Interval
    one_sided: Interval


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


def bounds_of_mean(numbers: Tensor, groups: Tensor | None = None) -> Bounds:
    """Of the mean of `[N]` numbers: Wilson's interval where they are bool, else the normal one.

    `groups` int64 `[N]` names the group of each item. Items of a group (a speaker's recordings, a
    user's ratings) resemble each other, so that groups are what varies: the standard error is then
    √(G/(G-1) Σ_g (Σ_{i in g} (x_i - mean))²) / N (Liang and Zeger 1986, Biometrika 73, 13-22).
    With one item or group nothing can be told, and the interval is infinite.
    """
    n, mean = len(numbers), float(numbers.double().mean())
    if groups is None and not numbers.is_floating_point():
        hits = int(numbers.sum())
        return Bounds(wilson(hits, n, Z_TWO_SIDED), wilson(hits, n, Z_ONE_SIDED))
    centred = (numbers.double() - mean).numpy()
    if groups is not None:
        centred = np.bincount(_numbered(groups.numpy()), weights=centred)
    g = len(centred)
    error = math.sqrt(g / (g - 1) * float(np.square(centred).sum())) / n if g > 1 else math.inf
    return Bounds(normal(mean, error, Z_TWO_SIDED), normal(mean, error, Z_ONE_SIDED))


def bootstrap(
    statistic: Statistic,
    counts: Counts,
    groups: Counts | None = None,
    resamples: int = RESAMPLES,
    width: int = 0,
) -> Bounds:
    """Percentile bootstrap of a statistic of weighted units (Efron 1979, Ann. Stat. 7, 1-26).

    A unit is an item, or several that are alike in all that the statistic sees: `counts` `[N]` says
    how many. `statistic` maps weights `[R, N]`, how many items of each unit each of R resamples has
    drawn, to values `[R]`. With `groups` `[N]` whole groups are drawn (Davison and Hinkley 1997,
    Bootstrap Methods and their Application, 3.8). The seed is fixed: the same items give the same
    interval. Memory is bounded, however many units there are; `width` is how many numbers the
    statistic holds for a resample, where that is more.
    """
    rng = np.random.default_rng(0)
    if groups is None:
        drawn = counts
    else:
        of_unit = _numbered(groups)
        drawn = np.ones(int(of_unit.max()) + 1, dtype=np.int64)
    portion, values = max(1, CELLS // max(len(counts), width)), []
    for done in range(0, resamples, portion):
        weights = _draw(rng, drawn, min(portion, resamples - done))
        values.append(statistic(weights if groups is None else weights[:, of_unit] * counts))
    every = np.concatenate(values)
    every = every[np.isfinite(every)]  # a draw may lack what the statistic needs, such as a class
    if not len(every):
        return Bounds(Interval(-math.inf, math.inf), Interval(-math.inf, math.inf))
    low, low_one, high_one, high = np.quantile(every, [0.025, 0.05, 0.95, 0.975]).tolist()
    return Bounds(Interval(low, high), Interval(low_one, high_one))


def _draw(rng: np.random.Generator, counts: Counts, rows: int) -> Weights:
    """As many items as there are, drawn with replacement: how many of each unit, [R, N]."""
    n, total = len(counts), int(counts.sum())
    if total > n:
        return rng.multinomial(total, counts / total, size=rows).astype(np.float64)
    flat = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
    return np.bincount(flat.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _numbered(groups: Counts) -> Counts:
    """Groups as numbers from 0 without gaps."""
    numbers: Counts = np.unique(groups, return_inverse=True)[1]
    return numbers


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Measured:
    """The median of paired ratios ours / theirs, with order statistics as bounds; less is better.

    The k-th smallest of n values lies above the true median with the chance that a fair coin falls
    less than k times in n throws (David and Nagaraja 2003, Order Statistics, 7.1). A few wild
    rounds move none of these bounds: who makes their own times noisy gains nothing.
    """
    ratios = sorted(one / other for one, other in zip(ours, theirs, strict=True))
    bounds = Bounds(_around_median(ratios, 0.025), _around_median(ratios, 0.05))
    value = statistics.median(ratios)
    return Measured(value, len(ratios), bounds.ci95, bounds.one_sided, "times", "min", "rounds")


def _around_median(ordered: Sequence[float], tail: float) -> Interval:
    """The order statistics beyond which the true median lies with a chance of at most `tail`."""
    n, rank, chance = len(ordered), 0, 0.5 ** len(ordered)
    while chance <= tail:
        rank += 1
        chance += math.comb(n, rank) * 0.5**n
    if rank == 0:
        return Interval(-math.inf, math.inf)
    return Interval(ordered[rank - 1], ordered[n - rank])
