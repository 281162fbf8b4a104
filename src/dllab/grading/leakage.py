"""Which reserved items stand in the released data too: exactly, or nearly."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.grading.items import Arrays

NEAR = 0.99  # cosine of two centred items above which they are called near duplicates
_ROWS = 512


@dataclass(frozen=True)
class Leakage:
    """Counts, and `free`: indices of the items with no exact copy, int64 `[M]`."""

    items: int
    exact: int
    near: int
    free: Tensor


def find_leakage(pool: Arrays, *released: Arrays) -> Leakage:
    """Compare items with released ones.

    Exact: every value the same. Near: the cosine of the centred values (of images and series) or of
    the counts of tokens reaches `NEAR`. Near duplicates are told, not taken out: the classes of a
    real data set hold honest lookalikes.
    """
    own = _features(pool)
    known = {row for items in released for row in _keys(items)}
    copies = torch.tensor([key in known for key in _keys(pool)])
    near = torch.zeros(len(own), dtype=torch.bool)
    for items in released:
        other = _features(items, own.shape[1])
        for start in range(0, len(own), _ROWS):
            best = (own[start : start + _ROWS] @ other.T).amax(dim=1)
            near[start : start + _ROWS] |= best >= NEAR
    free = torch.nonzero(~copies)[:, 0]
    return Leakage(len(own), int(copies.sum()), int((near & ~copies).sum()), free)


def _keys(items: Arrays) -> list[bytes]:
    """Each item's valid values as bytes: padding and its width play no part."""
    values = _values(items)
    lengths = items.get("lengths")
    if lengths is None:
        return [row.contiguous().numpy().tobytes() for row in values]
    pairs = zip(values, lengths.tolist(), strict=True)
    return [row[:length].contiguous().numpy().tobytes() for row, length in pairs]


def _features(items: Arrays, width: int | None = None) -> Tensor:
    """One row of unit length for each item, float32 `[N, F]`."""
    values = _values(items)
    if values.dtype == torch.int64:
        rows = _token_counts(values, items["lengths"], width)
    else:
        rows = values.flatten(1).float()
        if width is not None:
            rows = F.pad(rows, (0, max(0, width - rows.shape[1])))[:, :width]
        rows = rows - rows.mean(dim=1, keepdim=True)
    return F.normalize(rows, dim=1)


def _token_counts(tokens: Tensor, lengths: Tensor, width: int | None) -> Tensor:
    valid = torch.arange(tokens.shape[1]) < lengths[:, None]
    width = width or int(tokens.max()) + 1
    counts = torch.zeros(len(tokens), width)
    return counts.scatter_add_(1, tokens.clamp(max=width - 1), valid.float())


def _values(items: Arrays) -> Tensor:
    return next(items[name] for name in ("image", "series", "tokens") if name in items)
