"""Metrics of class scores `[N, C]` against `label` int64 `[N]`."""

import numpy as np
import torch
from torch import Tensor

from dllab.metrics.intervals import Counts, Values, Weights
from dllab.metrics.metric import Groups, Items, Weighted, metric

CLASSES = "float32 [N, C]"


@metric("accuracy", scores=CLASSES, direction="max")
def accuracy(scores: Tensor, items: Items) -> Tensor:
    """Share of the items whose highest score is the label's. The first of equal scores counts."""
    _require_fit(scores, items["label"])
    return scores.argmax(1) == items["label"]


@metric("nats", scores=CLASSES, direction="min", unit="nats")
def nats(scores: Tensor, items: Items) -> Tensor:
    """Mean of -log softmax(scores)[label] in float64.

    Cross-entropy in natural units (Shannon 1948); its exponential is the perplexity. Windows of a
    text that overlap are not independent: there the interval is a little too narrow.
    """
    label = items["label"]
    _require_fit(scores, label)
    return -torch.log_softmax(scores.double(), 1).gather(1, label[:, None])[:, 0]


@metric("balanced_accuracy", scores=CLASSES, direction="max", interval="weights")
def balanced_accuracy(scores: Tensor, items: Items, groups: Groups) -> Weighted:
    """Mean recall over the classes that occur (Brodersen et al. 2010, ICPR)."""
    cells = _Cells(scores, items["label"], groups)

    def statistic(weights: Weights) -> Values:
        return mean_of_ratios(cells.hits(weights), cells.of_truth(weights))

    return Weighted(statistic, cells.counts, cells.groups)


@metric("macro_f1", scores=CLASSES, direction="max", interval="weights")
def macro_f1(scores: Tensor, items: Items, groups: Groups) -> Weighted:
    """Mean over classes of 2 TP / (2 TP + FP + FN).

    Classes that occur neither as truth nor as prediction are left out (van Rijsbergen 1979,
    Information Retrieval, ch. 7; the mean of F1 values, not the F1 of means).
    """
    cells = _Cells(scores, items["label"], groups)

    def statistic(weights: Weights) -> Values:
        both = cells.of_truth(weights) + cells.of_said(weights)
        return mean_of_ratios(2 * cells.hits(weights), both)

    return Weighted(statistic, cells.counts, cells.groups)


class _Cells:
    """The items counted by truth, prediction and group: the confusion matrix without its zeros."""

    def __init__(self, scores: Tensor, label: Tensor, groups: Groups) -> None:
        _require_fit(scores, label)
        of_group = torch.zeros_like(label) if groups is None else groups
        rows = torch.stack([label, scores.argmax(1), of_group], dim=1).numpy()
        cells, self.counts = np.unique(rows, axis=0, return_counts=True)
        self.groups: Counts | None = None if groups is None else cells[:, 2]
        # only the classes that occur: the others have no weight in any resample
        present, numbered = np.unique(cells[:, :2], return_inverse=True)
        self._truth, self._said = numbered.reshape(-1, 2).T
        self._classes = len(present)

    def of_truth(self, weights: Weights) -> Weights:
        """How many items of each class there are, [R, C]."""
        return _sum_by(self._truth, weights, self._classes)

    def of_said(self, weights: Weights) -> Weights:
        """How many were taken for each class, [R, C]."""
        return _sum_by(self._said, weights, self._classes)

    def hits(self, weights: Weights) -> Weights:
        """How many of each class were taken for it, [R, C]."""
        return _sum_by(self._truth, weights * (self._truth == self._said), self._classes)


def _sum_by(keys: Counts, weights: Weights, size: int) -> Weights:
    """Sums over the columns that have the same key: weights [R, K], keys [K], sums [R, size]."""
    order = keys.argsort(kind="stable")
    found, first = np.unique(keys[order], return_index=True)
    sums = np.zeros((len(weights), size))
    sums[:, found] = np.add.reduceat(weights[:, order], first, axis=1)
    return sums


def mean_of_ratios(above: Weights, below: Weights) -> Values:
    """Row means of above / below `[R, C]` over the classes where `below` is not zero."""
    ratios = np.divide(above, below, out=np.zeros_like(below), where=below > 0)
    means: Values = ratios.sum(1) / (below > 0).sum(1)
    return means


def _require_fit(scores: Tensor, label: Tensor) -> None:
    if scores.dim() != 2 or label.dim() != 1 or len(scores) != len(label):
        raise ValueError(
            f"expected scores [N, C] and label [N], got {list(scores.shape)} and "
            f"{list(label.shape)}"
        )
    if not 0 <= int(label.min()) <= int(label.max()) < scores.shape[1]:
        raise ValueError(
            f"labels reach from {int(label.min())} to {int(label.max())}, but there are "
            f"{scores.shape[1]} columns of scores"
        )
