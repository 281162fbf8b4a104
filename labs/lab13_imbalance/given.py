"""Handed out with lab 13: the long tail, and the pixels that the network sees."""

from collections.abc import Mapping

import torch
from torch import Tensor

CLASSES = 10


def long_tail(label_N: Tensor, ratio: float) -> Tensor:
    """Which items to keep so that class 9 is `ratio` times as frequent as class 0, int64 [K].

    Of class c the first n · ratio^(c / (C - 1) - 1) are kept, n being the size of the smallest
    class, so that the frequencies rise by the same factor from class to class.
    """
    most = int(torch.bincount(label_N, minlength=CLASSES).min())
    kept = [
        (label_N == c).nonzero()[: round(most * ratio ** (c / (CLASSES - 1) - 1)), 0]
        for c in range(CLASSES)
    ]
    return torch.cat(kept).sort().values


def take(split: Mapping[str, Tensor], item_K: Tensor) -> dict[str, Tensor]:
    """The items of a split at the places int64 [K]; one may be taken several times."""
    return {name: value[item_K] for name, value in split.items()}


def pixels(image: Tensor) -> Tensor:
    """The pixels of uint8 images [B, 1, H, W], standardised by Fashion-MNIST's mean and deviation,
    float32 [B, H·W].
    """
    return (image.flatten(1).float() / 255 - 0.286) / 0.353
