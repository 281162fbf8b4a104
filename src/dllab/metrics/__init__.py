"""Metrics with their uncertainty: `metric(scores, items) -> Measured`, whatever the scores' shape.

    METRICS["macro_f1"](scores, {"label": label}).ci95
    METRICS["rmse"](scores, items, groups=items["speaker"])     # whole groups vary

A lab brings others of its own by `@metric`; see `dllab.metrics.metric`.
"""

from collections.abc import Mapping

from dllab.metrics.classification import accuracy, balanced_accuracy, macro_f1, nats
from dllab.metrics.intervals import (
    Bounds,
    Interval,
    Measured,
    bootstrap,
    bounds_of_mean,
    median_ratio,
    wilson,
)
from dllab.metrics.metric import Items, Metric, Weighted, metric, metrics_of
from dllab.metrics.ranking import average_precision, roc_auc
from dllab.metrics.regression import mae, r2, rmse
from dllab.metrics.vision import box_ap, miou

METRICS: Mapping[str, Metric] = {
    one.name: one
    for one in (
        accuracy,
        balanced_accuracy,
        macro_f1,
        nats,
        mae,
        rmse,
        r2,
        roc_auc,
        average_precision,
        miou,
        box_ap,
    )
}

__all__ = [
    "METRICS",
    "Bounds",
    "Interval",
    "Items",
    "Measured",
    "Metric",
    "Weighted",
    "bootstrap",
    "bounds_of_mean",
    "median_ratio",
    "metric",
    "metrics_of",
    "wilson",
]
