"""What `predict` gets to see: items in a secret order, their padding filled with lookalikes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dllab.lab.layout import Arrays, Layout


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


def shuffle(inputs: Arrays, layout: Layout, generator: torch.Generator) -> Shuffled:
    """Permute the items, and fill their padding; what all items share stays as it is."""
    order = torch.randperm(layout.count(inputs), generator=generator)
    return Shuffled(fill_padding(chosen(inputs, layout, order), layout, generator), order)


def chosen(inputs: Arrays, layout: Layout, indices: Tensor) -> Arrays:
    """Some of the items, and all that they share."""
    return {k: v if k in layout.shared else v[indices] for k, v in inputs.items()}


def fill_padding(inputs: Arrays, layout: Layout, generator: torch.Generator) -> Arrays:
    """Put random valid values at every position of a padded column that lies past its lengths.

    Each is copied from a random valid position of the same items, so it looks like data. A model
    that honours the lengths gives the same scores; one that reads the padding does not.
    """
    filled = {
        name: _fill(inputs[name], inputs[lengths], generator)
        for name, lengths in layout.padded.items()
    }
    return {**inputs, **filled}


def _fill(values: Tensor, lengths: Tensor, generator: torch.Generator) -> Tensor:
    """`values` [N, T, …] with each [n, t >= lengths[n]] replaced."""
    padding = torch.arange(values.shape[1]) >= lengths[:, None]
    valid = values[~padding]
    if not len(valid):
        return values
    filled = values.clone()
    places = torch.randint(len(valid), (int(padding.sum()),), generator=generator)
    filled[padding] = valid[places]
    return filled
