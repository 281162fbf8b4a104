"""The numbers that lab 13's page lets one guess, from the reference and its config."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

from labs.lab13_imbalance.given import CLASSES, long_tail

Config = Mapping[str, Any]


def tail(config: Config) -> torch.Tensor:
    """The labels that a long tail keeps of 900 items of each class."""
    label_N = torch.arange(CLASSES).repeat_interleave(900)
    return label_N[long_tail(label_N, config["data"]["ratio"])]


def items(_lab: ModuleType, config: Config) -> int:
    """How many items the tail has."""
    return len(tail(config))


def constant_accuracy(_lab: ModuleType, config: Config) -> float:
    """The accuracy on the tail of who always says the most frequent class, in per cent."""
    return 100 * float((tail(config) == CLASSES - 1).float().mean())


def constant_macro_f1(lab: ModuleType, config: Config) -> float:
    """The macro-F1 of the same, in per cent."""
    label_N = tail(config)
    return 100 * float(lab.class_scores(0 * label_N + CLASSES - 1, label_N, CLASSES)[2].mean())


def alarm() -> tuple[torch.Tensor, torch.Tensor]:
    """An alarm that rings for 18 of 20 hits and for 50 of 1,000 misses, as scores and hits."""
    score_N = torch.tensor([1.0] * 18 + [0] * 2 + [1] * 50 + [0] * 950).double()
    return score_N, (torch.arange(1020) < 20).long()


def alarm_auc(lab: ModuleType, _config: Config) -> float:
    """Its area under the ROC curve."""
    return float(lab.roc_auc(*alarm()))


def alarm_precision(lab: ModuleType, _config: Config) -> float:
    """Its average precision."""
    return float(lab.average_precision(*alarm()))


def shift(_lab: ModuleType, config: Config) -> float:
    """By how much the adjustment moves the logit of class 0 against that of class 9."""
    return math.log(config["data"]["ratio"])
