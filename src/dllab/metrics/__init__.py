"""Metrics with their uncertainty: `metric(scores [N, C], label [N]) -> Measured`.

accuracy(scores, label).value
METRICS["macro_f1"](scores, label).ci95
"""

from dllab.metrics.classification import METRICS, accuracy, balanced_accuracy, macro_f1, nats
from dllab.metrics.intervals import Interval, Measured, normal, wilson

__all__ = [
    "METRICS",
    "Interval",
    "Measured",
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "nats",
    "normal",
    "wilson",
]
