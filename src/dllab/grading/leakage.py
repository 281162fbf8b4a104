"""Which reserved items stand in the released data too: exactly, or nearly."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dllab.data import DataSet
from dllab.data.kinds import kind_of
from dllab.grading.items import Arrays


@dataclass(frozen=True)
class Leakage:
    """Counts, and `free`: indices of the items with no exact copy, int64 `[M]`."""

    items: int
    exact: int
    near: int
    free: Tensor


def find_leakage(dataset: DataSet, pool: Arrays, *released: Arrays) -> Leakage:
    """Compare items with released ones, as their kind does; labels play no part.

    Near copies are told, not taken out: the classes of a real data set hold honest lookalikes.
    """
    kind = kind_of(dataset)
    known = {key for items in released for key in kind.keys(dataset, items)}
    copies = torch.tensor([key in known for key in kind.keys(dataset, pool)])
    near = torch.zeros_like(copies)
    for items in released:
        near |= kind.near(dataset, pool, items)
    free = torch.nonzero(~copies)[:, 0]
    return Leakage(len(copies), int(copies.sum()), int((near & ~copies).sum()), free)
