"""The interval score: what an interval forecast costs, by its width and by what it misses."""

from collections.abc import Iterable

LEVEL = 0.8
LowHigh = tuple[float, float]


def interval_score(interval: LowHigh, value: float) -> float:
    """The score of an 80 % interval when `value` came out, in the value's unit; less is better.

    Width, plus 2 / 0.2 of the distance to the interval where the value lies outside. It is proper:
    the least expected score is that of the true 10 % and 90 % quantiles (T. Gneiting,
    A. E. Raftery: Strictly Proper Scoring Rules, Prediction, and Estimation, JASA 102, 2007,
    equation 43).
    """
    low, high = interval
    missed = max(low - value, 0.0) + max(value - high, 0.0)
    return (high - low) + 2 / (1 - LEVEL) * missed


def skill(forecasts: Iterable[tuple[LowHigh, float]], baseline: LowHigh) -> float:
    """1 minus the ratio of the mean interval scores, forecast to baseline: 1 is clairvoyance, 0 the
    baseline, below 0 is worse than it.
    """
    pairs = list(forecasts)
    ours = sum(interval_score(interval, value) for interval, value in pairs)
    theirs = sum(interval_score(baseline, value) for _, value in pairs)
    return 1 - ours / theirs
