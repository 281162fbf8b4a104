"""Metrics of an order: two classes, told apart by the difference of their scores."""

import numpy as np
import torch
from torch import Tensor

from dllab.metrics.intervals import Counts, Values, Weights
from dllab.metrics.metric import Groups, Items, Weighted, metric

TWO_CLASSES = "float32 [N, 2]"


@metric("roc_auc", scores=TWO_CLASSES, direction="max", interval="weights")
def roc_auc(scores: Tensor, items: Items, groups: Groups) -> Weighted:
    """Chance that an item of class 1 ranks above one of class 0; half of it where they tie.

    The area under the ROC curve (Hanley and McNeil 1982, Radiology 143, 29-36).
    """
    order, ends, label = _ranks(scores, items["label"])

    def statistic(weights: Weights) -> Values:
        drawn = weights[:, order]
        right, wrong = (_levels(drawn * kind, ends) for kind in (label, 1 - label))
        above = right.cumsum(1) - right / 2
        with np.errstate(invalid="ignore"):  # a draw without one of the classes has no area
            area: Values = (above * wrong).sum(1) / (right.sum(1) * wrong.sum(1))
        return area

    return Weighted.each(statistic, len(scores), groups)


@metric("average_precision", scores=TWO_CLASSES, direction="max", interval="weights")
def average_precision(scores: Tensor, items: Items, groups: Groups) -> Weighted:
    """Area under the precision-recall curve of class 1, not interpolated."""
    order, ends, label = _ranks(scores, items["label"])

    def statistic(weights: Weights) -> Values:
        drawn = weights[:, order]
        return area_under_precision(_levels(drawn * label, ends), _levels(drawn, ends))

    return Weighted.each(statistic, len(scores), groups)


def area_under_precision(right: Weights, said: Weights, wanted: Values | None = None) -> Values:
    """Σ precision · (gain in recall) for each row; columns from the surest on (Zhu 2004).

    `right` and `said` `[R, L]` count what is said at each level and what of it is right, `wanted`
    `[R]` all that could be found: by default, what is found in the end.
    """
    found = right.cumsum(1)
    precision = found / np.maximum(said.cumsum(1), 1e-12)
    every = found[:, -1] if wanted is None else wanted
    with np.errstate(invalid="ignore"):  # nothing could be found in this draw
        area: Values = (right * precision).sum(1) / every
    return area


def _ranks(scores: Tensor, label: Tensor) -> tuple[Counts, Counts, Counts]:
    """The order from the surest of class 1 on, where levels of equal ones begin, and the labels."""
    if not bool(((label == 0) | (label == 1)).all()):
        raise ValueError("the labels must be of two classes, 0 and 1")
    margin = scores[:, 1].double() - scores[:, 0].double()
    order = margin.argsort(descending=True, stable=True)
    ranked = margin[order]
    begins = torch.cat([torch.tensor([True]), ranked[1:] != ranked[:-1]])
    return order.numpy(), torch.nonzero(begins)[:, 0].numpy(), label[order].numpy()


def _levels(drawn: Weights, begins: Counts) -> Weights:
    """Sums over the items of each level, [R, L]."""
    sums: Weights = np.add.reduceat(drawn, begins, axis=1)
    return sums
