"""Metrics of raw scores against labels; each formula's source is in its docstring."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dllab.metrics.intervals import (
    Z_ONE_SIDED,
    Z_TWO_SIDED,
    Counts,
    Measured,
    Statistic,
    bootstrap,
    normal,
    wilson,
)

Metric = Callable[[Tensor, Tensor], Measured]
Stack = NDArray[np.float64]


def accuracy(scores: Tensor, label: Tensor) -> Measured:
    """Fraction of items whose highest score is the label's; Wilson interval.

    `scores` float `[N, C]`, `label` int64 `[N]`. The first of equal scores counts.
    """
    _require_fit(scores, label)
    hits, n = int((scores.argmax(1) == label).sum()), len(label)
    return Measured(
        hits / n, n, wilson(hits, n, Z_TWO_SIDED), wilson(hits, n, Z_ONE_SIDED), direction="max"
    )


def balanced_accuracy(scores: Tensor, label: Tensor) -> Measured:
    """Mean recall over the classes that occur (Brodersen et al. 2010, ICPR); bootstrap interval."""
    return _of_confusion(scores, label, _mean_recall)


def macro_f1(scores: Tensor, label: Tensor) -> Measured:
    """Mean over classes of 2 TP / (2 TP + FP + FN); bootstrap interval.

    Classes that occur neither as truth nor as prediction are left out (van Rijsbergen 1979,
    Information Retrieval, ch. 7; the mean of F1 values, not the F1 of means).
    """
    return _of_confusion(scores, label, _mean_f1)


def nats(scores: Tensor, label: Tensor) -> Measured:
    """Mean of -log softmax(scores)[label] in float64; the normal interval of a mean.

    Cross-entropy in natural units (Shannon 1948); its exponential is the perplexity. Windows of a
    text that overlap are not independent: there the interval is a little too narrow.
    """
    _require_fit(scores, label)
    losses = -torch.log_softmax(scores.double(), 1).gather(1, label[:, None])[:, 0]
    mean, n = float(losses.mean()), len(label)
    error = float(losses.std()) / math.sqrt(n) if n > 1 else math.inf
    return Measured(
        mean,
        n,
        normal(mean, error, Z_TWO_SIDED),
        normal(mean, error, Z_ONE_SIDED),
        unit="nats",
        direction="min",
    )


METRICS: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "nats": nats,
}


def confusion(scores: Tensor, label: Tensor) -> Counts:
    """Counts `[C, C]`: row truth, column prediction."""
    classes = scores.shape[1]
    cells = torch.bincount(label * classes + scores.argmax(1), minlength=classes * classes)
    counts: Counts = cells.reshape(classes, classes).numpy()
    return counts


def _of_confusion(scores: Tensor, label: Tensor, statistic: Statistic) -> Measured:
    _require_fit(scores, label)
    counts = confusion(scores, label)
    value = float(statistic(counts[None].astype(np.float64))[0])
    ci95, one_sided = bootstrap(counts, statistic)
    return Measured(value, len(label), ci95, one_sided)


def _mean_recall(counts: Stack) -> Stack:
    hits = np.diagonal(counts, axis1=1, axis2=2)
    return _mean_of_ratios(hits, counts.sum(2))


def _mean_f1(counts: Stack) -> Stack:
    hits = np.diagonal(counts, axis1=1, axis2=2)
    return _mean_of_ratios(2 * hits, counts.sum(1) + counts.sum(2))


def _mean_of_ratios(above: Stack, below: Stack) -> Stack:
    """Row means of above / below `[R, C]` over the classes where `below` is not zero."""
    ratios = np.divide(above, below, out=np.zeros_like(below), where=below > 0)
    means: Stack = ratios.sum(1) / (below > 0).sum(1)
    return means


def _require_fit(scores: Tensor, label: Tensor) -> None:
    if scores.dim() != 2 or label.dim() != 1 or len(scores) != len(label) or len(label) == 0:
        raise ValueError(
            f"expected scores [N, C] and label [N] with N > 0, got {list(scores.shape)} "
            f"and {list(label.shape)}"
        )
    if not 0 <= int(label.min()) <= int(label.max()) < scores.shape[1]:
        raise ValueError(
            f"labels reach from {int(label.min())} to {int(label.max())}, but there are "
            f"{scores.shape[1]} columns of scores"
        )
