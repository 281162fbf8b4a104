"""What `predict` gets to see: items in a secret order, their padding filled with lookalikes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dllab.grading.items import Arrays


@dataclass(frozen=True)
class Shuffled:
    """Items in an order that only the scorer knows."""

    inputs: Arrays
    order: Tensor

    def restore(self, scores: Tensor) -> Tensor:
        """Rows back in the order of the data set."""
        restored = torch.empty_like(scores)
        restored[self.order] = scores
        return restored


def shuffle(inputs: Arrays, generator: torch.Generator) -> Shuffled:
    """Permute the items and fill what lies behind `lengths`."""
    order = torch.randperm(count(inputs), generator=generator)
    drawn = {name: value[order] for name, value in inputs.items()}
    return Shuffled(fill_padding(drawn, generator), order)


def count(inputs: Arrays) -> int:
    """How many items there are."""
    return len(next(iter(inputs.values())))


def fill_padding(inputs: Arrays, generator: torch.Generator) -> Arrays:
    """Put random valid values at every position past `lengths`.

    Each is copied from a random valid position of the same items, so it looks like data. A model
    that honours `lengths` gives the same scores; one that reads the padding does not.
    """
    if "lengths" not in inputs:
        return inputs
    return {
        name: value if name == "lengths" else _fill(value, inputs["lengths"], generator)
        for name, value in inputs.items()
    }


def _fill(values: Tensor, lengths: Tensor, generator: torch.Generator) -> Tensor:
    """`values` [N, T, …] with each [n, t >= lengths[n]] replaced."""
    padding = torch.arange(values.shape[1]) >= lengths[:, None]
    valid = values[~padding]
    filled = values.clone()
    places = torch.randint(len(valid), (int(padding.sum()),), generator=generator)
    filled[padding] = valid[places]
    return filled
