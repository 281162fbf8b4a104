"""Metrics of numbers: scores and `label` float32, both `[N, …]` of one shape."""

import numpy as np
from torch import Tensor

from dllab.metrics.intervals import Values, Weights
from dllab.metrics.metric import Groups, Items, Weighted, metric

LIKE_LABEL = "float32 [N, ...]"


@metric("mae", scores=LIKE_LABEL, direction="min")
def mae(scores: Tensor, items: Items) -> Tensor:
    """Mean absolute error over all numbers of all items."""
    return errors(scores, items["label"]).abs().mean(1)


@metric("rmse", scores=LIKE_LABEL, direction="min", interval="weights")
def rmse(scores: Tensor, items: Items, groups: Groups) -> Weighted:
    """Square root of the mean squared error over all numbers of all items."""
    squares = errors(scores, items["label"]).square().mean(1).numpy()

    def statistic(weights: Weights) -> Values:
        roots: Values = np.sqrt(weights @ squares / weights.sum(1))
        return roots

    return Weighted.each(statistic, len(scores), groups)


@metric("r2", scores=LIKE_LABEL, direction="max", interval="weights")
def r2(scores: Tensor, items: Items, groups: Groups) -> Weighted:
    """Coefficient of determination; of several numbers an item, the mean over their places.

    1 - Σ (label - score)² / Σ (label - mean label)², with the mean of what was drawn.
    """
    squares = errors(scores, items["label"]).square().numpy()
    label = items["label"].double().reshape(len(scores), -1).numpy()
    label = label - label.mean(0)  # keeps the difference of squares below exact

    def statistic(weights: Weights) -> Values:
        total = weights.sum(1, keepdims=True)
        deviations = weights @ label**2 - (weights @ label) ** 2 / total
        with np.errstate(divide="ignore", invalid="ignore"):  # a draw of equal labels has none
            shares: Values = (1 - weights @ squares / deviations).mean(1)
        return shares

    return Weighted.each(statistic, len(scores), groups)


def errors(scores: Tensor, label: Tensor) -> Tensor:
    """Differences as float64 `[N, K]`: an item in each row."""
    if scores.shape != label.shape:
        raise ValueError(
            f"expected scores and label of one shape, got {list(scores.shape)} and "
            f"{list(label.shape)}"
        )
    return (scores.double() - label.double()).reshape(len(scores), -1)
